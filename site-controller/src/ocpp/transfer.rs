//! Files up and down, by HTTP or HTTPS: what a central system's GetDiagnostics, GetLog, UpdateFirmware and
//! SignedUpdateFirmware name as a location. Bounded in size and time; redirects are not followed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::socket::Stream;
use crate::secret::Secret;

/// How long TCP and TLS may take together.
const OPEN_WITHIN: Duration = Duration::from_secs(30);
/// How long a whole upload may take; files are a few hundred kilobytes.
const UPLOAD_WITHIN: Duration = Duration::from_secs(300);
/// How long the server may be silent.
const SILENT_MAX: Duration = Duration::from_secs(120);
/// Largest firmware that is taken. It is held in memory once, for its signature.
pub(super) const DOWNLOAD_MAX_BYTES: u64 = 32 * 1024 * 1024;
/// What stays free on the disk after a download: the journal comes first.
const DISK_RESERVE_BYTES: u64 = 32 * 1024 * 1024;

/// Why a file was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failed {
    /// The location is of a kind that is not served.
    #[error("{0}")]
    NotSupported(String),
    /// The server does not let us.
    #[error("{0}")]
    Denied(String),
    /// Anything that may be different next time.
    #[error("{0}")]
    Again(String),
}

/// A location as it was given, understood.
#[derive(Debug, Clone)]
pub(super) struct Location {
    /// Absent for plain HTTP.
    tls: Option<Arc<ClientConfig>>,
    host: String,
    port: u16,
    path: String,
    user: Option<Secret>,
}

impl Location {
    /// Understands `http://` and `https://`, with or without a user.
    pub(super) fn parse(
        text: &str,
        tls: impl FnOnce() -> Result<ClientConfig, String>,
    ) -> Result<Self, Failed> {
        let unusable = || Failed::NotSupported("the location is no usable address".to_owned());
        let uri: Uri = text.parse().map_err(|_| unusable())?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(other) => {
                return Err(Failed::NotSupported(format!(
                    "{other}:// is not served: give a location with https:// or http://"
                )));
            }
            None => return Err(unusable()),
        };
        let authority = uri.authority().ok_or_else(unusable)?;
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| user);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let config = encrypted
            .then(tls)
            .transpose()
            .map_err(Failed::NotSupported)?;
        Ok(Self {
            tls: config.map(Arc::new),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 }),
            path: path.to_owned(),
            user: user.map(Secret::new),
        })
    }

    /// A file in this folder. An address with a query is meant for one file as it stands.
    fn file(&self, name: &str) -> Self {
        let mut file = self.clone();
        if !self.path.contains('?') {
            file.path = format!("{}/{name}", self.path.trim_end_matches('/'));
        }
        file
    }

    fn server(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn request(&self, method: Method, body: Bytes) -> Result<Request<Full<Bytes>>, Failed> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        let path: Result<Uri, _> = self.path.parse();
        let path = path.map_err(|error| Failed::NotSupported(error.to_string()))?;
        *request.uri_mut() = path;
        let header = |text: &str| {
            HeaderValue::from_str(text).map_err(|error| Failed::NotSupported(error.to_string()))
        };
        request.headers_mut().insert(HOST, header(&self.server())?);
        if let Some(user) = &self.user {
            let basic = format!("Basic {}", BASE64_STANDARD.encode(user.reveal()));
            let mut basic = header(&basic)?;
            basic.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, basic);
        }
        Ok(request)
    }
}

/// Puts a file of this name into the location; where the server takes no PUT, posts it to the location.
pub(super) async fn upload(
    location: &Location,
    name: &str,
    content: Vec<u8>,
) -> Result<(), Failed> {
    let content = Bytes::from(content);
    let send = async {
        let file = location.file(name);
        let put = typed(file.request(Method::PUT, content.clone())?, name)?;
        let mut answer = exchange(&file, put).await?;
        if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
            let post = typed(location.request(Method::POST, content)?, name)?;
            answer = exchange(location, post).await?;
        }
        judge(&answer)
    };
    let sent = timeout(UPLOAD_WITHIN, send).await;
    sent.unwrap_or_else(|_| Err(Failed::Again("the upload took too long".to_owned())))
}

fn typed(mut request: Request<Full<Bytes>>, name: &str) -> Result<Request<Full<Bytes>>, Failed> {
    let disposition = format!("attachment; filename=\"{name}\"");
    let disposition = HeaderValue::from_str(&disposition)
        .map_err(|error| Failed::NotSupported(error.to_string()))?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_DISPOSITION, disposition);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/gzip"));
    Ok(request)
}

/// A file that goes when it is dropped.
#[derive(Debug)]
pub(super) struct Temporary(PathBuf);

impl Temporary {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // It may never have been made.
        let _absent = std::fs::remove_file(&self.0);
    }
}

/// Fetches a file into this path; what was there goes.
pub(super) async fn download(location: &Location, into: &Path) -> Result<Temporary, Failed> {
    let request = location.request(Method::GET, Bytes::new())?;
    let answer = exchange(location, request).await?;
    judge(&answer)?;
    let announced = hyper::body::Body::size_hint(answer.body()).lower();
    let temporary = Temporary(into.to_owned());
    let full = |error: std::io::Error| {
        Failed::Again(format!("{} cannot be written ({error})", into.display()))
    };
    check_size(announced)?;
    check_disk(into, announced)?;
    let mut file = File::create(into).await.map_err(full)?;
    let mut body = answer.into_body();
    let mut got = 0;
    while let Some(frame) = heard(body.frame()).await? {
        let frame =
            frame.map_err(|error| Failed::Again(format!("the download broke off ({error})")))?;
        let Some(bytes) = frame.data_ref() else {
            continue;
        };
        got += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        check_size(got)?;
        check_disk(into, 0)?;
        file.write_all(bytes).await.map_err(full)?;
    }
    file.flush().await.map_err(full)?;
    Ok(temporary)
}

fn check_size(bytes: u64) -> Result<(), Failed> {
    if bytes > DOWNLOAD_MAX_BYTES {
        return Err(Failed::NotSupported(format!(
            "the file is larger than {DOWNLOAD_MAX_BYTES} bytes"
        )));
    }
    Ok(())
}

fn check_disk(into: &Path, wanted: u64) -> Result<(), Failed> {
    let folder = into.parent().unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(folder).map_err(|error| {
        Failed::Again(format!(
            "{} cannot be looked at ({error})",
            folder.display()
        ))
    })?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < wanted.saturating_add(DISK_RESERVE_BYTES) {
        return Err(Failed::Again(format!(
            "there is no room: {free} bytes are free, {DISK_RESERVE_BYTES} stay free for the journal"
        )));
    }
    Ok(())
}

fn judge(answer: &Response<Incoming>) -> Result<(), Failed> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let told = format!("the server answered {status}");
    if status.is_redirection() {
        return Err(Failed::NotSupported(format!(
            "{told}: redirects are not followed"
        )));
    }
    if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) {
        return Err(Failed::Denied(told));
    }
    Err(Failed::Again(told))
}

async fn exchange(
    location: &Location,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Failed> {
    let broken =
        |error: hyper::Error| Failed::Again(format!("{} broke off ({error})", location.server()));
    let opened = timeout(OPEN_WITHIN, connect(location)).await;
    let stream = opened.unwrap_or_else(|_| {
        Err(Failed::Again(format!(
            "{} does not answer in time",
            location.server()
        )))
    })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // It ends with the body, or when both ends of it are dropped.
    tokio::spawn(connection);
    heard(sender.send_request(request)).await?.map_err(broken)
}

async fn connect(location: &Location) -> Result<Box<dyn Stream>, Failed> {
    let server = location.server();
    let again = |error: &dyn std::fmt::Display| {
        Failed::Again(format!("{server} does not answer ({error})"))
    };
    let tcp = TcpStream::connect((location.host.as_str(), location.port))
        .await
        .map_err(|error| again(&error))?;
    let Some(tls) = &location.tls else {
        return Ok(Box::new(tcp));
    };
    let name = ServerName::try_from(location.host.clone())
        .map_err(|error| Failed::NotSupported(error.to_string()))?;
    let connector = TlsConnector::from(Arc::clone(tls));
    let stream = connector
        .connect(name, tcp)
        .await
        .map_err(|error| again(&error))?;
    Ok(Box::new(stream))
}

async fn heard<T>(answer: impl Future<Output = T>) -> Result<T, Failed> {
    let answer = timeout(SILENT_MAX, answer).await;
    answer.map_err(|_| Failed::Again("the server is silent".to_owned()))
}
