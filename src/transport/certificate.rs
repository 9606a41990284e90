//! stub
#[derive(Debug)]
pub struct Certificate;
impl Certificate {
    pub fn generate() -> Result<Self, crate::transport::error::TransportError> {
        Ok(Certificate)
    }
}
