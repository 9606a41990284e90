//! The one DTLS certificate of the process (contract DTL-1).

use std::sync::{Arc, OnceLock};

use crate::transport::certificate::Certificate;
use crate::transport::error::TransportError;

/// Made on first use and kept: every connection of the process shows the same fingerprint.
pub(crate) fn of_process() -> Result<Arc<Certificate>, TransportError> {
    static CERTIFICATE: OnceLock<Arc<Certificate>> = OnceLock::new();
    if let Some(certificate) = CERTIFICATE.get() {
        return Ok(Arc::clone(certificate));
    }
    let made = Arc::new(Certificate::generate()?);
    Ok(Arc::clone(CERTIFICATE.get_or_init(|| made)))
}
