//! Warnings and errors of the engine as lines on standard error.

use tracing::Level;

/// The process logs from its first load of the addon on. Never below `WARN`: below it the ICE
/// crate prints credentials (security.md H5).
pub fn start() {
    let lines = tracing_subscriber::fmt()
        .with_max_level(Level::WARN)
        .with_writer(std::io::stderr)
        .with_target(false)
        .finish();
    // A second load finds the log running.
    let _ = tracing::subscriber::set_global_default(lines);
}
