//! What a step takes, as the caller says it.

use crate::status::Status;

/// What a step of a layer takes: docs/SECONDS.md has the model, figures of two GPUs, and how to measure those of others.
/// One of the first two at least must be set; each is 0, or from 2^-100 to 2^100.
#[allow(non_camel_case_types)] // the C name; Rust code sees it as `eplb::Cost`
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct eplb_cost {
    /// sizeof(eplb_cost).
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Seconds that a token costs at an expert, on a GPU of speed 1.
    pub token_seconds: f64,
    /// Seconds that an expert costs which has any token, on a GPU of speed 1: reading its weights. A replica takes the
    /// longer of its tokens and this.
    pub expert_seconds: f64,
    /// Seconds that a layer costs whatever its tokens, and whatever the speed of GPUs.
    pub layer_seconds: f64,
}

pub use eplb_cost as Cost;

/// The least and the largest figure that is not 0: what is made of them neither vanishes nor overflows.
const LEAST: f64 = 1.0 / (1_u128 << 100) as f64;
const LARGEST: f64 = (1_u128 << 100) as f64;

/// Whether it is a figure of a cost; by range, so that flush-to-zero cannot change the answer.
pub fn is_seconds(value: f64) -> bool {
    value.to_bits() << 1 == 0 || (LEAST..=LARGEST).contains(&value)
}

impl Cost {
    /// Figures are 0 or from 2^-100 to 2^100, and those of token and expert not both 0.
    ///
    /// # Errors
    /// [`Status::Cost`].
    pub fn check(&self) -> Result<(), Status> {
        let figures = [self.token_seconds, self.expert_seconds, self.layer_seconds];
        let is_free =
            self.token_seconds.to_bits() << 1 == 0 && self.expert_seconds.to_bits() << 1 == 0;
        if figures.into_iter().all(is_seconds) && !is_free { Ok(()) } else { Err(Status::Cost) }
    }
}

/// Whether `tokens` of a layer in a step is a number of them: finite and at least 2^-126.
pub fn is_step(tokens: f32) -> bool {
    (f32::MIN_POSITIVE.to_bits()..=f32::MAX.to_bits()).contains(&tokens.to_bits())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Figures of the order of DeepSeek's shape in fp8 on an H200.
    pub const H200: Cost = Cost {
        struct_size: 0,
        reserved: 0,
        token_seconds: 0.0945e-6,
        expert_seconds: 11.5e-6,
        layer_seconds: 18e-6,
    };

    #[test]
    fn figures_are_checked() {
        assert_eq!(H200.check(), Ok(()));
        assert_eq!(Cost::default().check(), Err(Status::Cost));
        assert_eq!(Cost { layer_seconds: 1.0, ..Cost::default() }.check(), Err(Status::Cost));
        for wrong in [f64::NAN, f64::INFINITY, -1.0, 1e-40, 1e40, f64::MIN_POSITIVE / 2.0] {
            assert_eq!(Cost { token_seconds: wrong, ..H200 }.check(), Err(Status::Cost));
            assert_eq!(Cost { expert_seconds: wrong, ..H200 }.check(), Err(Status::Cost));
            assert_eq!(Cost { layer_seconds: wrong, ..H200 }.check(), Err(Status::Cost));
        }
        assert_eq!(Cost { expert_seconds: -0.0, ..H200 }.check(), Ok(()));
    }
}
