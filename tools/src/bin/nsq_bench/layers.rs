//! TLS and compression under a blocking connection.

use std::{
    fmt::Debug,
    io::{self, Read, Write},
    net::TcpStream,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use anyhow::{Context as _, Result};
use protocol::{Compressed, Compression};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A blocking stream.
pub(crate) trait Stream: Read + Write + Send + Sync + Debug {}

impl<S: Read + Write + Send + Sync + Debug> Stream for S {}

/// Puts TLS on a socket. Any certificate will do: what is measured is under one's own control.
pub(crate) fn tls(socket: TcpStream) -> Result<Box<dyn Stream>> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)));
    let name = ServerName::try_from("nsqd").context("a fixed name")?;
    let connection = ClientConnection::new(Arc::new(builder.with_no_client_auth()), name)?;
    Ok(Box::new(StreamOwned::new(connection, socket)))
}

/// A stream some bytes of which were read already.
pub(crate) fn behind(read: Vec<u8>, stream: Box<dyn Stream>) -> Box<dyn Stream> {
    Box::new(Behind { read: io::Cursor::new(read), stream })
}

#[derive(Debug)]
struct Behind {
    read: io::Cursor<Vec<u8>>,
    stream: Box<dyn Stream>,
}

impl Read for Behind {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.read.read(buffer)? {
            0 => self.stream.read(buffer),
            count => Ok(count),
        }
    }
}

impl Write for Behind {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Compresses what goes over a stream.
pub(crate) fn compressed(stream: Box<dyn Stream>, compression: Compression) -> Box<dyn Stream> {
    Box::new(Blocking(Compressed::new(Blocking(stream), compression)))
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Either side of a stream whose polls block, and so are always ready.
#[derive(Debug)]
struct Blocking<S>(S);

impl AsyncRead for Blocking<Box<dyn Stream>> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.0.read(buffer.initialize_unfilled())?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Blocking<Box<dyn Stream>> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.write(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> Read for Blocking<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        let read = Pin::new(&mut self.0).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
        ready(read).map(|()| buffer.filled().len())
    }
}

impl<S: AsyncWrite + Unpin> Write for Blocking<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        ready(Pin::new(&mut self.0).poll_write(&mut Context::from_waker(Waker::noop()), bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        ready(Pin::new(&mut self.0).poll_flush(&mut Context::from_waker(Waker::noop())))
    }
}

fn ready<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
