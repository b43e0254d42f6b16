// SPDX-License-Identifier: Apache-2.0
//! Finds libmicrosandbox: by pkg-config, or in the directory MSB_LIB_DIR.

use std::env;
use std::process::{exit, Command};

fn main() {
    for name in ["MSB_LIB_DIR", "PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    match env::var("MSB_LIB_DIR") {
        Ok(dir) => {
            println!("cargo:rustc-link-lib=dylib=microsandbox");
            link_dir(&dir);
        }
        Err(_) => match pkg_config() {
            Ok(flags) => {
                for flag in flags.split_whitespace() {
                    apply(flag);
                }
            }
            Err(why) => {
                eprintln!("error: libmicrosandbox was not found: {why}");
                eprintln!(
                    "Install msb with its development files. If it is somewhere else, put the \
                     directory of microsandbox.pc in PKG_CONFIG_PATH, or that of \
                     libmicrosandbox.so in MSB_LIB_DIR."
                );
                exit(1);
            }
        },
    }
}

fn pkg_config() -> Result<String, String> {
    let program = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = Command::new(&program)
        // Where the library is must be known also when it is a usual place.
        .env("PKG_CONFIG_ALLOW_SYSTEM_LIBS", "1")
        .args(["--libs", "microsandbox"])
        .output()
        .map_err(|e| format!("{} cannot be run: {e}", program.to_string_lossy()))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_string());
    }
    String::from_utf8(output.stdout).map_err(|e| e.to_string())
}

fn apply(flag: &str) {
    if let Some(dir) = flag.strip_prefix("-L") {
        link_dir(dir);
    } else if let Some(lib) = flag.strip_prefix("-l") {
        println!("cargo:rustc-link-lib=dylib={lib}");
    }
}

fn link_dir(dir: &str) {
    println!("cargo:rustc-link-search=native={dir}");
    // Build scripts of programs that use this crate see it as
    // DEP_MICROSANDBOX_LIBDIR.
    println!("cargo:libdir={dir}");
    // For the tests and examples of this package; others decide themselves how
    // the library is found when they run.
    println!("cargo:rustc-link-arg=-Wl,-rpath,{dir}");
}
