//! What formats of nested values have in common.

use super::array::Array;
use super::fault::Fault;

/// Dicts, lists and numbers, of JSON or of a pickle.
pub trait Tree {
    /// One of them.
    type Node: Copy;

    /// The outermost.
    fn root(&self) -> Self::Node;

    /// The value of a key of a dict.
    fn field(&self, node: Self::Node, key: &str) -> Result<Self::Node, Fault>;

    /// The values of a list.
    fn list(&self, node: Self::Node) -> Result<Vec<Self::Node>, Fault>;

    /// A whole number, at least 0.
    fn whole(&self, node: Self::Node) -> Result<u64, Fault>;

    /// Numbers in rows.
    fn array(&self, node: Self::Node) -> Result<Array, Fault>;

    /// The numbers in the rows of a key; a fault is in its place.
    fn field_array(&self, node: Self::Node, key: &str) -> Result<Array, Fault> {
        self.array(self.field(node, key)?).map_err(|fault| fault.within(key))
    }
}
