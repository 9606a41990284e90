//! DTLS values that cross a session description (RFC 8122, RFC 8842).

/// `a=setup` (RFC 4145 §4, RFC 8842 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DtlsSetup {
    #[default]
    ActPass,
    /// DTLS client.
    Active,
    /// DTLS server.
    Passive,
}

impl DtlsSetup {
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "actpass" => DtlsSetup::ActPass,
            "active" => DtlsSetup::Active,
            "passive" => DtlsSetup::Passive,
            _ => return None,
        })
    }

    pub fn word(self) -> &'static str {
        match self {
            DtlsSetup::ActPass => "actpass",
            DtlsSetup::Active => "active",
            DtlsSetup::Passive => "passive",
        }
    }
}
