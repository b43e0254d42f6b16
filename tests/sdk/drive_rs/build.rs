// SPDX-License-Identifier: Apache-2.0
//! Has the driver find the library where it was linked from.

fn main() {
    if let Ok(dir) = std::env::var("DEP_MICROSANDBOX_LIBDIR") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{dir}");
    }
}
