//! Descriptions that no browser writes (security.md N10): a clear error or tolerance, never a
//! panic, and no work that grows faster than the text.

use std::time::{Duration, Instant};

use crate::negotiation_support::{
    Connection, av, configuration, describe, pair, read, remote, sdp,
};
use erizo::negotiation::configuration::MediaConfiguration;
use erizo::negotiation::description::SessionDescription;
use erizo::negotiation::direction::{Direction, MediaType};
use erizo::negotiation::ice::{IceCandidate, IceCredentials};
use erizo::negotiation::section::RidDirection;
use erizo::rtp::id::Ssrc;
use serde_json::json;

/// SplitMix64: the tests are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}

/// Everything that reads a description, in both directions of a connection.
fn exercise(description: &SessionDescription) {
    for encrypted in [true, false] {
        let mut connection = Connection::with(configuration("VP8"), encrypted);
        connection.publish("1", "stream1", "av");
        connection.subscribe("2", "stream2", "av");
        connection.negotiation.copy_description(description);
        let _ = connection.try_set_remote(description.clone());
        connection.negotiation.local_description(None);
        connection.create_offer();
        let _ = connection.try_set_remote(description.clone());
        let local = connection.negotiation.local_description(None);
        let _ = SessionDescription::from_sdp(&local.to_sdp(1), &configuration("VP8"));
        connection.remove("1");
        connection.remove("2");
        connection.create_offer();
        connection.negotiation.local_description(None);
    }
    let _ = description.to_sdp(u64::MAX);
}

#[test]
fn mutated_sdp_never_panics() {
    let mut random = Random(7);
    let mut offer = av("sendrecv");
    offer[1].extra = "a=rid:1 send\na=simulcast:send 1\nb=AS:500\n\
        a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host ufrag nDB3";
    let original = sdp(&offer);
    let lines: Vec<&str> = original.split_inclusive('\n').collect();
    let mut parsed = 0;
    for _ in 0..3000 {
        let mut mutated: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        for _ in 0..=random.below(3) {
            let at = random.below(mutated.len());
            let other = random.below(mutated.len());
            match random.below(5) {
                0 => drop(mutated.remove(at)),
                1 => mutated.swap(at, other),
                2 => mutated.insert(at, mutated[other].clone()),
                3 => {
                    let mut characters: Vec<char> = mutated[at].chars().collect();
                    let position = random.below(characters.len());
                    characters[position] =
                        [' ', ':', '=', '9', '\u{fffd}', '\0', '/', '-', 'é'][random.below(9)];
                    mutated[at] = characters.into_iter().collect();
                }
                _ => {
                    let keep = random.below(mutated[at].len().max(1));
                    mutated[at] = mutated[at].chars().take(keep).collect::<String>() + "\r\n";
                }
            }
        }
        let text = mutated.concat();
        if let Ok(description) = SessionDescription::from_sdp(&text, &configuration("VP8")) {
            parsed += 1;
            exercise(&description);
        }
    }
    assert!(parsed > 500, "only {parsed} mutations still were SDP");
}

#[test]
fn random_text_and_cut_sdp_never_panic() {
    let mut random = Random(11);
    for _ in 0..2000 {
        let length = random.below(200);
        let text: String = (0..length)
            .map(|_| char::from(b"vostmac=:/ \r\n09udp\xE9"[random.below(19)]))
            .collect();
        let _ = SessionDescription::from_sdp(&format!("v=0\r\n{text}"), &configuration("VP8"));
        let _ = SessionDescription::from_sdp(&text, &configuration("VP8"));
    }
    let text = sdp(&av("sendrecv"));
    for end in (0..text.len()).step_by(7) {
        if let Ok(description) = SessionDescription::from_sdp(&text[..end], &configuration("VP8")) {
            exercise(&description);
        }
    }
}

#[test]
fn parser_of_the_protocol_stack_survives_odd_time_and_uri_lines() {
    for line in [
        "u=",
        "u=http://[",
        "u=a:b",
        "r=d h m",
        "r=é é é",
        "r=9223372036854775807d 1 1",
        "z=1",
        "z=1 é",
        "z=18446744073709551616 1",
        "b=:",
        "b=X-",
        "b=AS:-1",
        "c=",
        "c=IN",
        "t=1",
        "k=",
        "i=é",
        "e=",
        "p=",
    ] {
        for before in
            ["v=0\r\no=- 1 1 IN IP4 0\r\ns=-\r\n", "v=0\r\no=- 1 1 IN IP4 0\r\ns=-\r\nt=0 0\r\n"]
        {
            let text = format!("{before}{line}\r\n");
            let _ = SessionDescription::from_sdp(&text, &configuration("VP8"));
        }
    }
}

#[test]
fn payload_types_beyond_127_are_ignored() {
    let text = sdp(&[remote("0", "video", "stream1", "sendrecv")]);
    for number in ["128", "255", "256", "352", "999", "4294967392", "-1", "96.5", "x"] {
        let text =
            text.replace(":96 ", &format!(":{number} ")).replace(" 96 ", &format!(" {number} "));
        let description = read(&text);
        assert_eq!(description.codecs(MediaType::Video).count(), 0, "{number}");
        exercise(&description);
    }
    let mut description = SessionDescription::new(&configuration("VP8"));
    description.add_parameter(999, "apt".into(), "96".into());
    description.add_feedback(u32::MAX, "nack".into());
    description.add_payload_type(128, "VP8".into(), 90_000, MediaType::Video);
    assert!(!description.agree(), "no credentials");
    exercise(&description);
}

#[test]
#[allow(clippy::disallowed_methods, reason = "measures how long the work took")]
fn ten_thousand_sections_are_handled_in_linear_time() {
    let mut description = describe(&av("sendrecv"));
    for number in 2..10_000 {
        description.add_section(
            "stream1".into(),
            String::new(),
            number.to_string(),
            "sendrecv",
            ["audio", "video"][number % 2].into(),
            String::new(),
            number % 3 == 0,
        );
        description.add_extension(number as u32, format!("urn:{number}"), MediaType::Video);
    }
    let started = Instant::now();
    exercise(&description);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn duplicate_mids_labels_rids_and_ssrcs_are_tolerated() {
    let mut sections: Vec<_> =
        (0..4).map(|_| remote("0", "video", "stream1", "sendrecv")).collect();
    sections.iter_mut().for_each(|section| {
        section.ssrcs = vec![5, 5];
        section.extra = "a=rid:1 send\na=rid:1 recv\na=ssrc-group:SIM\na=ssrc-group:SIM x\n\
            a=ssrc-group:SIM 5 5\na=ssrc:5\na=ssrc:99999999999 cname:x";
    });
    exercise(&describe(&sections));
}

#[test]
fn odd_mids_rids_and_huge_texts_are_echoed() {
    let long = "x".repeat(1 << 20);
    for mid in [
        "",
        "-1",
        "007",
        "4294967295",
        "4294967296",
        "18446744073709551615",
        "1e3",
        "ä",
        "+5",
        &long,
    ] {
        let mut connection = Connection::new();
        connection.publish("1", "stream1", "v");
        let mut description = describe(&[remote("0", "video", "stream1", "sendrecv")]);
        let mut odd = SessionDescription::default();
        odd.add_section(
            "stream1".into(),
            String::new(),
            mid.into(),
            "sendrecv",
            "video".into(),
            String::new(),
            false,
        );
        odd.set_ice_credentials(
            description.ice_credentials(MediaType::Video).clone(),
            MediaType::Other,
        );
        odd.set_fingerprint("AA".into());
        odd.add_rid(long.clone(), RidDirection::Send);
        connection.try_set_remote(odd).expect("accepted");
        connection.subscribe("2", &long, "av");
        connection.create_offer();
        let local = connection.negotiation.local_description(None);
        let mids: Vec<&str> = local.sections().iter().map(|section| section.mid.as_str()).collect();
        let expected = if mid.is_empty() { "0" } else { mid };
        assert!(mids[0] == expected, "echoed (TRX-10), never empty (CDS-26)");
        assert!(mids[1] != mids[2] && mids[1] != mids[0] && mids[2] != mids[0]);
        description.clear();
        assert_eq!(description, SessionDescription::default(), "CDS-4");
    }
}

#[test]
fn setters_take_anything() {
    // N19: what JavaScript may hand over after coercion.
    let long = "y".repeat(100_000);
    let mut description = SessionDescription::default();
    assert_eq!(description.direction(MediaType::Audio), Direction::SendRecv, "CDS-3");
    description.add_section(
        long.clone(),
        long.clone(),
        "undefined".into(),
        "nonsense",
        long.clone(),
        long.clone(),
        true,
    );
    assert_eq!(description.sections()[0].direction, Direction::Inactive);
    description.set_video_ssrcs("12".into(), vec![Ssrc(0); 10_000]);
    description.set_audio_ssrc(long.clone(), Ssrc(u32::MAX));
    description.set_ice_credentials(
        IceCredentials { ufrag: long.clone(), pwd: long.clone() },
        MediaType::Other,
    );
    let line = "candidate:a 4294967295 udp 4294967295 x.local 4294967295 typ odd raddr x rport -1";
    let (protocol, candidate) = IceCandidate::parse_line(line).expect("a candidate");
    assert!(description.add_candidate(MediaType::Other, &protocol, candidate.clone()));
    assert!(!description.add_candidate(MediaType::Video, "Udp", candidate));
    assert!(description.candidates()[0].candidate.related_address.is_empty(), "CDS-14");
    description.set_fingerprint(long);
    description.agree();
    exercise(&description);
}

#[test]
fn configurations_of_any_shape_are_read() {
    // MCF-1.
    for value in [
        json!(null),
        json!(7),
        json!([]),
        json!({ "rtpMappings": 3, "extMappings": {} }),
        json!({ "rtpMappings": [null, 1, {}, { "payloadType": "100" }], "extMappings": [1, "u"] }),
        json!({ "rtpMappings": { "a": { "payloadType": 1e300, "encodingName": "x", "mediaType": "audio" },
            "b": { "payloadType": -1, "encodingName": "x", "mediaType": "audio" },
            "c": { "payloadType": 128, "encodingName": "x", "mediaType": "audio" },
            "d": { "payloadType": 1, "encodingName": 3, "mediaType": "audio" },
            "e": { "payloadType": 1, "encodingName": "x", "mediaType": "text" } } }),
    ] {
        assert!(MediaConfiguration::from_json(&value).codecs.is_empty(), "{value}");
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "measures how long the work took")]
fn adding_a_stream_to_a_hundred_sections_is_quick() {
    // NEG-73.
    let mut connection = Connection::new();
    for number in 0..50 {
        connection.subscribe(&number.to_string(), &format!("stream{number}"), "av");
    }
    assert_eq!(connection.offer().len(), 100);
    let answer: Vec<_> = (0..50).flat_map(|n| pair([2 * n, 2 * n + 1], "", "recvonly")).collect();
    connection.set_remote(&answer);
    let rounds = 100;
    let started = Instant::now();
    for number in 50..50 + rounds {
        let id = number.to_string();
        connection.subscribe(&id, &id, "av");
        connection.create_offer();
        let description = connection.negotiation.local_description(None);
        assert!(description.sections().len() >= 102);
        connection.remove(&id);
        connection.negotiation.local_description(None);
    }
    let each = started.elapsed() / rounds;
    // Unoptimised and on a busy machine; an optimised build is far below 0.1 ms.
    assert!(each < Duration::from_millis(10), "{each:?}");
    println!("one stream more at 100 sections: {each:?}");
}
