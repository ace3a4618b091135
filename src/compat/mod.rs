//! The compatibility policies: what other programs do, bit for bit. Each is a recipe: how many replicas
//! ([`replicate`]), which GPU ([`pack`]), in the same stages ([`hierarchy`]).

pub mod hierarchy;
pub mod pack;
pub mod policy;
pub mod replicate;

use crate::base::arena::{Arena, Need};
use crate::placement::PlacementMut;
use crate::problem::{Problem, Scope, Shape};
use policy::Recipe;

/// What a layer needs.
pub fn need(shape: &Shape, scope: Scope, recipe: Recipe) -> Need {
    hierarchy::need(shape, scope, recipe)
}

/// Plans a layer by a recipe.
#[inline(never)] // the stack holds one of the two ways
pub fn plan_layer(
    problem: &Problem,
    scope: Scope,
    recipe: Recipe,
    layer: usize,
    arena: &mut Arena,
    maps: &mut PlacementMut,
) {
    let (shape, load) = (problem.shape(), problem.load(0, layer));
    let maps = &mut maps.layer(shape, layer);
    hierarchy::plan_layer(shape, scope, recipe, load, arena, maps);
}
