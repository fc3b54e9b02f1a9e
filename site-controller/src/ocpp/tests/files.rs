//! Diagnostics, logs and firmware: files that a central system has moved to and from places it names.

use std::collections::VecDeque;
use std::io::Read as _;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use rcgen::SigningKey as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::bench::{Bench, Csms};
use super::security::Authority;

/// What a station sent: `PUT /path`, the head's lines, and the body.
#[derive(Debug, Clone)]
struct Sent {
    line: String,
    head: Vec<String>,
    body: Vec<u8>,
}

/// A web server that answers what it is told, one after the other, the last one for ever.
struct Server {
    port: u16,
    sent: Arc<Mutex<Vec<Sent>>>,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    async fn start(answers: &[(&'static str, Vec<u8>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let (heard, mut answers) = (Arc::clone(&sent), VecDeque::from(answers.to_vec()));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = BufReader::new(stream);
                let request = read(&mut stream).await;
                heard.lock().unwrap().push(request);
                let (status, body) = answers.front().unwrap().clone();
                if answers.len() > 1 {
                    answers.pop_front();
                }
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).await.unwrap();
                // The station may have seen enough already.
                let _cut = stream.write_all(&body).await;
            }
        });
        Self {
            port,
            sent,
            _task: AbortOnDropHandle::new(task),
        }
    }

    fn url(&self) -> String {
        format!("http://user:pass@127.0.0.1:{}/logs", self.port)
    }

    fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Sent {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_ascii_lowercase());
    }
    let length = head
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    let line = head.remove(0).replace(" http/1.1", "");
    Sent { line, head, body }
}

fn unpacked(sent: &Sent) -> (String, Value) {
    let mut text = String::new();
    GzDecoder::new(sent.body.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    let file = serde_json::from_str(&text).unwrap();
    (text, file)
}

async fn dead_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

impl Csms {
    /// The next notices of this action; gives their fields.
    async fn notices(&mut self, action: &str, count: usize) -> Vec<Value> {
        let mut notices = Vec::new();
        for _ in 0..count {
            let call = self.call(action).await;
            self.answer(&call, json!({})).await;
            notices.push(call[3].clone());
        }
        notices
    }

    async fn statuses(&mut self, action: &str, count: usize) -> Vec<String> {
        let notices = self.notices(action, count).await;
        let statuses = notices
            .iter()
            .map(|notice| notice["status"].as_str().unwrap().to_owned());
        statuses.collect()
    }
}

#[tokio::test]
async fn diagnostics_are_put_where_they_are_wanted_after_a_second_try_and_hold_no_secret() {
    let server = Server::start(&[("503 Busy", vec![]), ("201 Created", vec![])]).await;
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let wish = json!({"location": server.url(), "retries": 2, "retryInterval": 0});
    let answer = csms.wants("GetDiagnostics", wish).await;
    let name = answer["fileName"].as_str().unwrap().to_owned();
    assert!(
        name.starts_with("CP-1-diagnostics-") && name.ends_with(".json.gz"),
        "{name}"
    );
    let statuses = csms.statuses("DiagnosticsStatusNotification", 2).await;
    assert_eq!(statuses, ["Uploading", "Uploaded"]);

    let sent = server.sent();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!(
        sent[1].line,
        format!("put /logs/{}", name.to_ascii_lowercase())
    );
    let basic = BASE64_STANDARD.encode("user:pass").to_ascii_lowercase();
    assert!(
        sent[1]
            .head
            .contains(&format!("authorization: basic {basic}")),
        "{sent:?}"
    );
    let (text, file) = unpacked(&sent[1]);
    assert_eq!(file["charge_point_id"], "CP-1");
    assert_eq!(file["security_events"][0]["type"], "StartupOfTheDevice");
    let keys = file["configuration"]["configurationKey"]
        .as_array()
        .unwrap();
    let key = |name: &str| keys.iter().find(|key| key["key"] == name).unwrap();
    assert_eq!(key("SecurityProfile")["value"], "1");
    assert_eq!(
        *key("AuthorizationKey"),
        json!({"key": "AuthorizationKey", "readonly": false})
    );
    assert!(
        !text.contains("p4ssw0rd") && !text.contains("BEGIN"),
        "{text}"
    );

    let idle = json!({"requestedMessage": "DiagnosticsStatusNotification"});
    assert_eq!(
        csms.wants("TriggerMessage", idle).await,
        json!({"status": "Accepted"})
    );
    assert_eq!(
        csms.statuses("DiagnosticsStatusNotification", 1).await,
        ["Idle"]
    );
    bench.end().await;
}

#[tokio::test]
async fn a_log_goes_up_by_post_where_put_is_not_allowed_and_each_refusal_has_its_word() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let wish = |url: &str| {
        json!({
            "logType": "SecurityLog", "requestId": 7, "retries": 1,
            "log": {"remoteLocation": url},
        })
    };
    let cases = [
        ("405 Method Not Allowed", "UploadFailure"),
        ("403 Forbidden", "PermissionDenied"),
        ("302 Found", "NotSupportedOperation"),
    ];
    for (answer, word) in cases {
        let server = Server::start(&[(answer, vec![])]).await;
        csms.wants("GetLog", wish(&server.url())).await;
        let notices = csms.notices("LogStatusNotification", 2).await;
        let told = |word: &str| json!({"status": word, "requestId": 7});
        assert_eq!(notices, [told("Uploading"), told(word)]);
    }
    let dead = format!("http://127.0.0.1:{}/", dead_port().await);
    csms.wants("GetLog", wish(&dead)).await;
    let statuses = csms.statuses("LogStatusNotification", 2).await;
    assert_eq!(statuses, ["Uploading", "UploadFailure"]);
    for refused in ["ftp://127.0.0.1/logs", "file:///etc", "nonsense"] {
        let answer = csms.wants("GetLog", wish(refused)).await;
        assert_eq!(answer, json!({"status": "Rejected"}), "{refused}");
    }

    let answers = [("405 Method Not Allowed", vec![]), ("200 OK", vec![])];
    let server = Server::start(&answers).await;
    let answer = csms.wants("GetLog", wish(&server.url())).await;
    assert_eq!(answer["status"], "Accepted");
    let statuses = csms.statuses("LogStatusNotification", 2).await;
    assert_eq!(statuses, ["Uploading", "Uploaded"]);
    let sent = server.sent();
    assert_eq!(sent[1].line, "post /logs");
    let (_, file) = unpacked(&sent[1]);
    assert_eq!(file["security_events"][0]["type"], "StartupOfTheDevice");
    assert!(file.get("log").is_none(), "{file}");
    bench.end().await;
}

#[tokio::test]
async fn a_firmware_is_fetched_and_never_called_installed() {
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let wish = |location: &str| {
        json!({
            "location": location, "retrieveDate": "2026-01-01T00:00:00Z", "retries": 1,
        })
    };
    let server = Server::start(&[("200 OK", vec![7; 100_000])]).await;
    assert_eq!(
        csms.wants("UpdateFirmware", wish(&server.url())).await,
        json!({})
    );
    let statuses = csms.statuses("FirmwareStatusNotification", 3).await;
    assert_eq!(
        statuses,
        ["Downloading", "Downloaded", "InstallationFailed"]
    );
    assert_eq!(bench.firmware_files(), 0);

    let dead = format!("http://127.0.0.1:{}/", dead_port().await);
    csms.wants("UpdateFirmware", wish(&dead)).await;
    let statuses = csms.statuses("FirmwareStatusNotification", 2).await;
    assert_eq!(statuses, ["Downloading", "DownloadFailed"]);
    csms.wants("UpdateFirmware", wish("ftp://127.0.0.1/firmware"))
        .await;
    assert_eq!(
        csms.statuses("FirmwareStatusNotification", 1).await,
        ["DownloadFailed"]
    );
    let huge = Server::start(&[("200 OK", vec![0; 33 * 1024 * 1024])]).await;
    csms.wants("UpdateFirmware", wish(&huge.url())).await;
    let statuses = csms.statuses("FirmwareStatusNotification", 2).await;
    assert_eq!(statuses, ["Downloading", "DownloadFailed"]);
    assert_eq!(bench.firmware_files(), 0);
    let idle = json!({"requestedMessage": "FirmwareStatusNotification"});
    csms.wants("TriggerMessage", idle).await;
    assert_eq!(
        csms.statuses("FirmwareStatusNotification", 1).await,
        ["Idle"]
    );

    bench.leave_firmware_behind();
    let mut bench = bench.power_cut().await;
    bench.accept().await.welcome().await;
    assert_eq!(bench.firmware_files(), 0);
    bench.end().await;
}

#[tokio::test]
async fn a_signed_firmware_is_what_a_known_manufacturer_signed_or_it_is_refused() {
    let maker = Authority::new("manufacturer");
    let (signer, key) = maker.issue("firmware signing");
    let firmware = vec![42; 50_000];
    let signature = BASE64_STANDARD.encode(key.sign(&firmware).unwrap());
    let server = Server::start(&[("200 OK", firmware)]).await;
    let mut bench = Bench::start().await;
    let mut csms = bench.accept().await;
    csms.welcome().await;
    let wish = |at: &str, signature: &str| signed_update(&server, &signer, at, signature);
    let now = "2026-01-01T00:00:00Z";
    let answer = csms
        .wants("SignedUpdateFirmware", wish(now, &signature))
        .await;
    assert_eq!(answer, json!({"status": "InvalidCertificate"}));
    let root = json!({"certificateType": "ManufacturerRootCertificate", "certificate": maker.pem});
    assert_eq!(
        csms.wants("InstallCertificate", root).await,
        json!({"status": "Accepted"})
    );

    let answer = csms
        .wants(
            "SignedUpdateFirmware",
            wish("2099-01-01T00:00:00Z", &signature),
        )
        .await;
    assert_eq!(answer, json!({"status": "Accepted"}));
    let scheduled = csms.notices("SignedFirmwareStatusNotification", 1).await;
    assert_eq!(
        scheduled,
        [json!({"status": "DownloadScheduled", "requestId": 9})]
    );
    let answer = csms
        .wants("SignedUpdateFirmware", wish(now, &signature))
        .await;
    assert_eq!(answer, json!({"status": "AcceptedCanceled"}));
    let statuses = csms.statuses("SignedFirmwareStatusNotification", 4).await;
    let good = [
        "Downloading",
        "Downloaded",
        "SignatureVerified",
        "InstallationFailed",
    ];
    assert_eq!(statuses, good);

    let wrong = BASE64_STANDARD.encode(key.sign(b"something else").unwrap());
    for wrong in [wrong.as_str(), "no base64!"] {
        csms.wants("SignedUpdateFirmware", wish(now, wrong)).await;
        let statuses = csms.statuses("SignedFirmwareStatusNotification", 3).await;
        assert_eq!(statuses, ["Downloading", "Downloaded", "InvalidSignature"]);
    }
    assert_eq!(bench.firmware_files(), 0);
    let idle = json!({"requestedMessage": "FirmwareStatusNotification"});
    csms.wants("ExtendedTriggerMessage", idle).await;
    let idle = csms.notices("SignedFirmwareStatusNotification", 1).await;
    assert_eq!(idle, [json!({"status": "Idle"})]);
    let kinds: Vec<_> = csms
        .events
        .iter()
        .map(|event| event["type"].clone())
        .collect();
    let wanted = [
        "StartupOfTheDevice",
        "InvalidFirmwareSigningCertificate",
        "InvalidFirmwareSignature",
        "InvalidFirmwareSignature",
    ];
    assert_eq!(kinds, wanted);
    bench.end().await;
}

fn signed_update(server: &Server, signer: &str, at: &str, signature: &str) -> Value {
    json!({
        "requestId": 9, "retries": 1,
        "firmware": {
            "location": server.url(), "retrieveDateTime": at,
            "signingCertificate": signer, "signature": signature,
        },
    })
}
