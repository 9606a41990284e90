//! The one place that knows the SDP parser and printer of `rtc`.
//!
//! Lines in, attribute lists out; what an attribute means is decided in `read` and `write`.

use std::io::Cursor;

use rtc::sdp::SessionDescription;
use rtc::sdp::description::common::{Address, Attribute, ConnectionInformation};
use rtc::sdp::description::media::{MediaDescription, MediaName, RangedPort};
use rtc::sdp::description::session::{Origin, TimeDescription};

use crate::negotiation::error::SdpError;

/// How much of a parser's complaint is kept; it may quote the peer's whole text.
const MAX_QUOTE: usize = 120;

pub(super) type Session = SessionDescription;
pub(super) type Media = MediaDescription;

pub(super) fn parse(text: &str) -> Result<Session, SdpError> {
    Session::unmarshal(&mut Cursor::new(text)).map_err(|error| SdpError::Syntax {
        near: error.to_string().chars().take(MAX_QUOTE).collect(),
    })
}

pub(super) fn print(session: &Session) -> String {
    session.marshal()
}

/// Values of all attributes with that name, in order; flags have an empty value.
pub(super) fn values<'a>(
    attributes: &'a [Attribute],
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    let named = attributes.iter().filter(move |attribute| attribute.key == name);
    named.map(|attribute| attribute.value.as_deref().unwrap_or_default().trim())
}

pub(super) fn value<'a>(attributes: &'a [Attribute], name: &'a str) -> Option<&'a str> {
    values(attributes, name).next()
}

/// A session without sections, in ErizoJS's wording.
pub(super) fn session(session_version: u64) -> Session {
    Session {
        origin: Origin {
            username: "-".to_owned(),
            session_id: 0,
            session_version,
            network_type: "IN".to_owned(),
            address_type: "IP4".to_owned(),
            unicast_address: "127.0.0.1".to_owned(),
        },
        session_name: "LicodeMCU".to_owned(),
        time_descriptions: vec![TimeDescription::default()],
        ..Session::default()
    }
}

/// A section without attributes.
pub(super) fn media(kind: &str, port: u8, protocol: &str, formats: Vec<String>) -> Media {
    Media {
        media_name: MediaName {
            media: clean(kind),
            port: RangedPort { value: port.into(), range: None },
            protos: protocol.split('/').map(str::to_owned).collect(),
            formats,
        },
        connection_information: Some(ConnectionInformation {
            network_type: "IN".to_owned(),
            address_type: "IP4".to_owned(),
            address: Some(Address { address: "0.0.0.0".to_owned(), ttl: None, range: None }),
        }),
        ..Media::default()
    }
}

pub(super) fn attribute(name: &str, value: &str) -> Attribute {
    Attribute::new(name.to_owned(), Some(clean(value)))
}

pub(super) fn flag(name: &str) -> Attribute {
    Attribute::new(name.to_owned(), None)
}

/// Text from the embedding program must not start lines of its own.
fn clean(text: &str) -> String {
    text.replace(['\r', '\n', '\0'], " ")
}
