//! All that a pickle may name.

use super::array::Kind;
use super::fault::{Fault, short};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The type of the elements of a storage; `None` where it is of bytes, whose type the tensor says.
    Element(Option<Kind>),
    /// `torch.Size`.
    Size,
    /// `torch.device`.
    Device,
    /// `_rebuild_tensor_v2`, and `_rebuild_tensor_v3`, which says the type.
    Tensor,
    TensorOfType,
    /// `_rebuild_parameter`.
    Parameter,
    /// `OrderedDict`.
    Dict,
}

/// What `module.name` is, when a table of loads may need it.
pub fn known(module: &str, name: &str) -> Result<Name, Fault> {
    let known = match (module, name) {
        ("torch.storage", "UntypedStorage") => Name::Element(None),
        ("torch._utils", "_rebuild_tensor_v2") => Name::Tensor,
        ("torch._utils", "_rebuild_tensor_v3") => Name::TensorOfType,
        ("torch._utils", "_rebuild_parameter") => Name::Parameter,
        ("collections", "OrderedDict") => Name::Dict,
        ("torch", "Size") => Name::Size,
        ("torch", "device") => Name::Device,
        ("torch", element) if kind(element).is_some() => Name::Element(kind(element)),
        _ => {
            let (module, name) = (short(module), short(name));
            return Err(Fault::new(format!(
                "names {module}.{name}, which no table of loads needs: it is not loaded"
            )));
        }
    };
    Ok(known)
}

/// By the name of the storage, and of the dtype.
fn kind(element: &str) -> Option<Kind> {
    Some(match element {
        "DoubleStorage" | "float64" => Kind::Float(8),
        "FloatStorage" | "float32" => Kind::Float(4),
        "HalfStorage" | "float16" => Kind::Float(2),
        "BFloat16Storage" | "bfloat16" => Kind::Bfloat16,
        "LongStorage" | "int64" => Kind::Signed(8),
        "IntStorage" | "int32" => Kind::Signed(4),
        "ShortStorage" | "int16" => Kind::Signed(2),
        "CharStorage" | "int8" => Kind::Signed(1),
        "ByteStorage" | "uint8" | "BoolStorage" | "bool" => Kind::Unsigned(1),
        "uint16" => Kind::Unsigned(2),
        "uint32" => Kind::Unsigned(4),
        "uint64" => Kind::Unsigned(8),
        _ => return None,
    })
}
