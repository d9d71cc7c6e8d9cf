//! What must hold for any bytes, for the fuzzer and for the test that replays its corpus.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::BytesMut;
use protocol::{
    ClientSettings, Command, Compressed, Compression, Frame, IdentifyOptions, IdentifyRequest, Limits,
    LookupCommand, LookupRequest,
};
use tokio::io::{AsyncRead, ReadBuf};

const LIMITS: Limits = Limits {
    max_msg_bytes: 1 << 10,
    max_body_bytes: 4 << 10,
    max_rdy_count: 2500,
    max_req_timeout: Duration::from_hours(1),
};

/// Commands: what is decoded is encoded to something that means the same, and no prefix is taken for something else.
pub(crate) fn commands(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some((command, consumed))) = Command::decode(rest, &LIMITS) {
        assert!(0 < consumed && consumed <= rest.len());
        let mut encoded = BytesMut::new();
        command.encode(&mut encoded);
        // A return at the end of an id would be that of the line; nsqd gives no such ids.
        if !matches!(command, Command::Fin { id } | Command::Touch { id } if id.as_bytes().ends_with(b"\r")) {
            let again = Command::decode(&encoded, &LIMITS).expect("what was encoded is right");
            assert_eq!(again, Some((command, encoded.len())));
        }
        for end in 0..consumed.min(200) {
            let part = Command::decode(&rest[..end], &LIMITS);
            assert!(matches!(part, Ok(None)), "a part of a command is {part:?}");
        }
        rest = &rest[consumed..];
    }
    if let Err(error) = Command::decode(rest, &LIMITS) {
        assert!(error.wire_text().starts_with(b"E_"));
    }
}

/// Frames: they are decoded to what encodes to the same bytes.
pub(crate) fn frames(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some((frame, consumed))) = Frame::decode(rest, 4 << 10) {
        let mut encoded = BytesMut::new();
        frame.encode(&mut encoded);
        assert_eq!(encoded, rest[..consumed]);
        rest = &rest[consumed..];
    }
}

/// IDENTIFY: what is agreed on is within the limits, and reads back.
pub(crate) fn identify(bytes: &[u8]) {
    let Ok(request) = IdentifyRequest::parse(bytes) else { return };
    let again = IdentifyRequest::parse(request.to_json().as_bytes()).expect("what was encoded is right");
    assert_eq!(again, request);
    let options = IdentifyOptions { tls_v1: true, snappy: true, deflate: true, ..IdentifyOptions::default() };
    if let Ok(negotiated) = request.negotiate(&ClientSettings::default(), &options) {
        assert!(negotiated.settings.msg_timeout <= options.max_msg_timeout);
        assert!(negotiated.settings.sample_rate.is_none_or(|rate| (1..=99).contains(&rate)));
        assert!(negotiated.settings.output_buffer_bytes <= options.max_output_buffer_bytes);
    }
}

/// Commands to nsqlookupd, in the order in which a connection may have them: what is decoded is encoded to something that
/// means the same, and no prefix is taken for something else.
pub(crate) fn lookup(bytes: &[u8]) {
    let mut rest = bytes;
    let mut is_identified = false;
    loop {
        let (request, consumed) = match LookupRequest::decode(rest, is_identified) {
            Ok(Some(decoded)) => decoded,
            Ok(None) => {
                let said = LookupRequest::cut(rest);
                return assert!(
                    said.is_none_or(|error| error.to_bytes().starts_with(b"E_BAD_BODY IDENTIFY "))
                );
            }
            Err(error) => return assert!(error.to_bytes().starts_with(b"E_")),
        };
        assert!(0 < consumed && consumed <= rest.len());
        for end in 0..consumed.min(200) {
            let part = LookupRequest::decode(&rest[..end], is_identified);
            assert!(matches!(part, Ok(None)), "a part of a command is {part:?}");
        }
        let command = match &request {
            LookupRequest::Identify(peer) => {
                assert!(peer.tcp_port != 0 && peer.http_port != 0 && !peer.broadcast_address.is_empty());
                is_identified = true;
                None
            }
            LookupRequest::Register(topic, channel) => {
                Some(LookupCommand::Register(topic.clone(), channel.clone()))
            }
            LookupRequest::Unregister(topic, channel) => {
                Some(LookupCommand::Unregister(topic.clone(), channel.clone()))
            }
            LookupRequest::Ping => Some(LookupCommand::Ping),
        };
        if let Some(command) = command {
            let mut encoded = BytesMut::new();
            command.encode(&mut encoded);
            let again = LookupRequest::decode(&encoded, is_identified);
            assert_eq!(again, Ok(Some((request, encoded.len()))));
        }
        rest = &rest[consumed..];
    }
}

/// Compressed streams: they end, and the first megabyte that comes out is all that is looked at.
pub(crate) fn streams(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let compression = if first % 2 == 0 { Compression::Snappy } else { Compression::Deflate { level: 6 } };
    let mut stream = Compressed::new(bytes, compression);
    let mut buffer = vec![0; 1 + usize::from(*first) * 300];
    let mut total = 0;
    while total < 1 << 20 {
        let mut plain = ReadBuf::new(&mut buffer);
        let read = Pin::new(&mut stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut plain);
        let count = plain.filled().len();
        if !matches!(read, std::task::Poll::Ready(Ok(()))) || count == 0 {
            return;
        }
        total += count;
    }
}
