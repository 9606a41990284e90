fn main() {
    // Only the addon itself needs Node's linker settings; the engine builds without them.
    #[cfg(feature = "node")]
    napi_build::setup();
}
