//! The host's side of `wit/task.wit`, generated: the world `guest`, without WASI, which comes from `wasmtime-wasi`.
#![allow(missing_docs, reason = "generated from wit/, where the docs are")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "guest",
    exports: { default: async },
});
