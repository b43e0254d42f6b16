// SPDX-License-Identifier: Apache-2.0
//! Sizes in mebibytes.

/// A number of mebibytes.
///
/// ```
/// use microsandbox::{Mebibytes, SizeExt};
/// assert_eq!(2.gib(), Mebibytes(2048));
/// assert_eq!(Mebibytes::from(512), 512.mib());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mebibytes(pub u64);

impl Mebibytes {
    /// As bytes; as many as there can be, if that is too much.
    pub fn bytes(self) -> u64 {
        self.0.saturating_mul(1 << 20)
    }
}

/// Sizes from plain numbers.
pub trait SizeExt {
    /// So many mebibytes.
    fn mib(self) -> Mebibytes;
    /// So many gibibytes.
    fn gib(self) -> Mebibytes;
}

macro_rules! sizes {
    ($($int:ty)*) => {$(
        impl From<$int> for Mebibytes {
            fn from(n: $int) -> Self {
                // Less than nothing is nothing, which the library refuses.
                Mebibytes(u64::try_from(n).unwrap_or(0))
            }
        }

        impl SizeExt for $int {
            fn mib(self) -> Mebibytes {
                Mebibytes::from(self)
            }
            fn gib(self) -> Mebibytes {
                Mebibytes(Mebibytes::from(self).0.saturating_mul(1024))
            }
        }
    )*};
}

sizes! { i32 u32 u64 usize }
