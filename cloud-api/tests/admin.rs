//! The real program: administration round trips beside a running server, and its ways to end.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

const CONFIG: &str = "data_dir = \"data\"\n[http]\nlisten = \"127.0.0.1:0\"\n[mqtt]\nembedded = { listen = \"127.0.0.1:0\" }\n";

struct Program {
    dir: tempfile::TempDir,
}

impl Program {
    fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("c.toml"), config).unwrap();
        Self { dir }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cloud-api"));
        command
            .current_dir(self.dir.path())
            .args(["--config", "c.toml"]);
        command
    }

    fn admin(&self, arguments: &str) -> Output {
        self.command()
            .arg("admin")
            .args(arguments.split(' '))
            .output()
            .unwrap()
    }

    /// What a command with `--json` prints.
    fn json(&self, arguments: &str) -> Value {
        let output = self.admin(&format!("--json {arguments}"));
        assert!(output.status.success(), "{arguments}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The one field of its answer.
    fn id(&self, arguments: &str, field: &str) -> String {
        let answer = self.json(arguments);
        let id = answer[field].as_str().unwrap().to_owned();
        assert_eq!(answer, json!({ field: id }));
        id
    }

    fn text(&self, arguments: &str) -> String {
        let output = self.admin(arguments);
        assert!(output.status.success(), "{arguments}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn serve(&self) -> Server {
        let child = self
            .command()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Server::listening(child)
    }
}

struct Server {
    child: Child,
    http: String,
    mqtt: String,
}

impl Server {
    fn listening(mut child: Child) -> Self {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = |start: &str| {
            let line = lines.next().expect("prints before it ends").unwrap();
            line.strip_prefix(start)
                .unwrap_or_else(|| panic!("{line}"))
                .to_owned()
        };
        let http = next("HTTP listening on ");
        let mqtt = next("MQTT listening on ");
        Self { child, http, mqtt }
    }

    fn get(&self, path: &str, key: &str, trusted: Option<reqwest::Certificate>) -> (u16, Value) {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let url = format!("{}{path}", self.http);
            let client = reqwest::Client::builder()
                .tls_certs_only(trusted)
                .build()
                .unwrap();
            let answer = client.get(url).bearer_auth(key).send().await.unwrap();
            let limit = answer.headers().get("x-ratelimit-limit").cloned();
            let status = answer.status().as_u16();
            let mut body: Value = answer.json().await.unwrap();
            body["limit"] = limit.map_or(Value::Null, |limit| limit.to_str().unwrap().into());
            (status, body)
        })
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    fn ends(self) -> Output {
        self.child.wait_with_output().unwrap()
    }
}

#[test]
fn administration_works_beside_a_running_server_and_shows_at_once() {
    let program = Program::new(CONFIG);
    let server = program.serve();
    let org = program.id(
        "org create --name Acme --tier pro --time-zone Europe/Berlin",
        "organisation_id",
    );
    let user = program.id(
        &format!(
            "user create --organisation {org} --email ada@example.com --name Ada --role owner"
        ),
        "user_id",
    );
    assert!(org.starts_with("org_") && user.starts_with("usr_"));
    let key = program.json(&format!(
        "key create --organisation {org} --name first --scope read:charge_points --scope write:api_keys --expires-in-days 1"
    ));
    let secret = key["key"].as_str().unwrap();
    assert!(secret.starts_with("dyn_live_"));
    let shown = json!({
        "id": key["id"], "name": "first", "key": secret, "scopes": ["read:charge_points", "write:api_keys"],
        "created_at": key["created_at"], "expires_at": key["expires_at"],
    });
    assert_eq!(key, shown);

    let (status, summary) = server.get("/api/v1/cpo/fleet/summary", secret, None);
    assert_eq!((status, &summary["limit"]), (200, &json!("10000")));
    assert_eq!(summary["organisation_id"], org);
    let (status, keys) = server.get("/api/v1/org/api-keys", secret, None);
    assert_eq!((status, &keys["total"]), (200, &json!(1)));
    assert_eq!(keys["keys"][0]["id"], key["id"]);

    server.signal("TERM");
    let ended = server.ends();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let log = String::from_utf8(ended.stderr).unwrap();
    assert!(!log.contains(secret), "no secret in the log");
    let log_left = std::fs::metadata(program.dir.path().join("data/cloud.sqlite-wal"));
    let log_left = log_left.map_or(0, |file| file.len());
    assert_eq!(log_left, 0, "the database was closed");
}

#[test]
fn a_site_and_its_gateway_are_created_with_a_block_to_paste() {
    let program =
        Program::new(&CONFIG.replace("127.0.0.1:0\" }", "0.0.0.0:8883\", allow_plain = true }"));
    let org = program.id("org create --name Acme --sandbox", "organisation_id");
    let site = program.id(
        &format!(
            "site create --organisation {org} --name Depot --max-power-kw 43.5 --address Quay"
        ),
        "site_id",
    );
    let gateway = program.json(&format!("gateway create --site {site} --name Box"));
    let (id, password) = (
        gateway["gateway_id"].as_str().unwrap(),
        gateway["password"].as_str().unwrap(),
    );
    assert_eq!(gateway, json!({ "gateway_id": id, "password": password }));
    assert!(id.starts_with("gw_") && password.len() == 32);

    let text = program.text(&format!("gateway create --site {site} --name Second"));
    let block = &text[text.find("[gateway]").unwrap()..];
    let block: toml::Table = block.parse().unwrap();
    let second = block["gateway"]["id"].as_str().unwrap();
    assert_eq!(block["mqtt"]["username"].as_str(), Some(second));
    assert_eq!(block["mqtt"]["port"].as_integer(), Some(8883));
    assert_eq!(block["mqtt"]["host"].as_str(), Some("NAME-OF-THIS-SERVER"));
    assert_eq!(block["mqtt"]["tls"].as_bool(), Some(false));

    assert_eq!(
        program.text("gateway list"),
        format!(
            "{id}  Box ({site})\n  charge points: none yet\n{second}  Second ({site})\n  charge points: none yet\n"
        )
    );
    assert_eq!(
        program.text("site list"),
        format!("{site}  Depot, Quay (43.5 kW, {org})\n")
    );
    assert_eq!(
        program.text("org list"),
        format!("{org}  Acme (free, 1000/h, UTC, sandbox)\n")
    );
    let tier = format!("org set-tier --organisation {org} --tier enterprise --hourly-limit 7");
    assert_eq!(
        program.text(&tier),
        format!("{org} is on the tier enterprise now: 7 requests per key and hour.\n")
    );
    let key = program.json(&format!(
        "key create --organisation {org} --name k --all-scopes"
    ));
    assert!(key["key"].as_str().unwrap().starts_with("dyn_test_"));
    assert_eq!(key["scopes"].as_array().unwrap().len(), 15);

    program.text(&format!("gateway revoke --gateway {id}"));
    let files = program.json("mosquitto --out access");
    assert_eq!(files["gateways"], 1);
    let passwords = std::fs::read_to_string(
        program
            .dir
            .path()
            .join(files["password_file"].as_str().unwrap()),
    )
    .unwrap();
    assert!(passwords.contains(second) && !passwords.contains(id));
    assert!(Path::new(files["acl_file"].as_str().unwrap()).starts_with("access"));
}

#[test]
fn an_installers_password_comes_by_standard_input() {
    let program = Program::new(CONFIG);
    let create = |password: &str| {
        let arguments = "admin --json installer create --email Ida@example.com --full-name Ida --password-stdin";
        let mut command = program.command();
        command
            .args(arguments.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(password.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    };
    let problem = |password: &str| {
        let output = create(password);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(
        problem("short\n"),
        "the password must have 10 to 1024 characters without control characters, among them an upper-case letter, a lower-case letter and a digit\n"
    );
    assert_eq!(
        problem("\n"),
        "standard input holds no password; try: printf %s 'PASSWORD' | cloud-api admin installer create …\n"
    );
    let output = create("Correct-horse7\n");
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(made["installer_id"].as_str().unwrap().starts_with("ins_"));
    assert_eq!(
        problem("Correct-horse7\n"),
        "ida@example.com is an installer already\n"
    );
}

#[test]
fn what_is_wrong_is_told_in_a_sentence_with_the_remedy() {
    let program = Program::new(CONFIG);
    let no_database = program.admin("org list");
    assert_eq!(no_database.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(no_database.stderr).unwrap(),
        "there is no database data/cloud.sqlite; say where it is with --config FILE, or begin one with `cloud-api admin org create`\n"
    );
    assert!(!program.dir.path().join("data").exists());
    let org = program.id("org create --name Acme", "organisation_id");
    let problem = |arguments: &str| {
        let output = program.admin(arguments);
        assert!(output.stdout.is_empty(), "{output:?}");
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let unknown = "no organisation has the id org_0; `cloud-api admin org list` shows all\n";
    for arguments in [
        "org set-tier --organisation org_0 --tier pro",
        "user create --organisation org_0 --email a@b --name A --role admin",
        "key create --organisation org_0 --name k --all-scopes",
        "site create --organisation org_0 --name S --max-power-kw 1",
    ] {
        assert_eq!(
            problem(arguments),
            (Some(1), unknown.to_owned()),
            "{arguments}"
        );
    }
    assert_eq!(
        problem("gateway create --site site_0 --name G"),
        (
            Some(1),
            "no site has the id site_0; `cloud-api admin site list` shows all\n".to_owned()
        )
    );
    assert_eq!(
        problem("org create --name A --tier enterprise"),
        (
            Some(1),
            "the tier enterprise needs its agreed number: --hourly-limit N\n".to_owned()
        )
    );
    let nothing_made = format!("{org}  Acme (free, 1000/h, UTC)\n");
    assert_eq!(program.text("org list"), nothing_made);
    assert_eq!(program.text("site list"), "There is no site yet.\n");

    for (arguments, remedy) in [
        (
            "key create --organisation nonsense --name k --all-scopes",
            "an organisation's id is org_…",
        ),
        (
            "key create --organisation org_0 --name k --scope read:all",
            "there are the scopes read:charge_points, ",
        ),
        ("key create --organisation org_0 --name k", "--scope"),
        (
            "site create --organisation org_0 --name S --max-power-kw 1,5",
            "a power in kW is a number such as 43.5",
        ),
        (
            "user create --organisation org_0 --email a --name A --role admin",
            "an e-mail address is name@domain",
        ),
    ] {
        let (code, text) = problem(arguments);
        assert_eq!(code, Some(2), "{arguments}");
        assert!(text.contains(remedy), "{arguments}: {text}");
    }
}

#[test]
fn faults_of_the_configuration_end_it_with_2_and_a_taken_port_with_1() {
    let faulty = Program::new("[http]\nlisten = \"here\"\nport = 1\n");
    let output = faulty.command().output().unwrap();
    let expected = "c.toml:2: http.listen: `here` is no IP address with port; write for instance \"127.0.0.1:8080\"\n\
                    c.toml:3: http.port: is unknown; known here: allow_plain, listen, proxies, public_ws, tls\n";
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);

    let noisy = Program::new(CONFIG)
        .command()
        .env("DYNAMO_LOG", "loud=very")
        .output()
        .unwrap();
    assert_eq!(noisy.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(noisy.stderr).unwrap(),
        "DYNAMO_LOG=loud=very is no log level; use error, warn, info, debug or trace\n"
    );

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let place = |config: String| {
        let output = Program::new(&config).command().output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let sentence = |key: &str| {
        format!("port {port} on 127.0.0.1 is taken: stop the other program or set {key}\n")
    };
    let http = CONFIG.replacen("127.0.0.1:0", &format!("127.0.0.1:{port}"), 1);
    assert_eq!(place(http), sentence("http.listen"));
    let mqtt = CONFIG.replace(
        "{ listen = \"127.0.0.1:0\"",
        &format!("{{ listen = \"127.0.0.1:{port}\""),
    );
    assert_eq!(place(mqtt), sentence("mqtt.embedded.listen"));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let program = Program::new(CONFIG);
    let server = program.serve();
    // A request whose body never comes holds up the orderly end.
    let mut held =
        std::net::TcpStream::connect(server.http.strip_prefix("http://").unwrap()).unwrap();
    held.write_all(b"POST /api/v1/installer/login HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n").unwrap();
    let mut interim = String::new();
    BufReader::new(held.try_clone().unwrap())
        .read_line(&mut interim)
        .unwrap();
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n");

    server.signal("INT");
    let mut server = server;
    let mut log = BufReader::new(server.child.stderr.take().unwrap()).lines();
    assert!(log.any(|line| {
        line.unwrap()
            .contains("Stopping; a second signal ends at once")
    }));
    server.signal("TERM");
    let last = log.last().unwrap().unwrap();
    assert_eq!(
        last,
        "ended at once by a second SIGTERM: requests were cut off, quotas stand as after a crash"
    );
    assert_eq!(server.ends().status.code(), Some(1));
}

#[test]
fn https_and_mqtts_are_a_matter_of_configuration() {
    let tls = "tls = { certificate_file = \"a.pem\", key_file = \"a.key\" }";
    let config = CONFIG
        .replace("\" }", &format!("\", {tls} }}"))
        .replace("[mqtt]", &format!("{tls}\n[mqtt]"));
    let program = Program::new(&config);
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let write =
        |name: &str, text: String| std::fs::write(program.dir.path().join(name), text).unwrap();
    write("a.pem", certificate.cert.pem());

    let output = program.command().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "cannot read private key a.key: No such file or directory (os error 2)\n"
    );

    write("a.key", certificate.signing_key.serialize_pem());
    let server = program.serve();
    assert!(server.http.starts_with("https://127.0.0.1:"));
    assert!(server.mqtt.starts_with("mqtts://127.0.0.1:"));
    let trusted = reqwest::Certificate::from_pem(certificate.cert.pem().as_bytes()).unwrap();
    let (status, body) = server.get("/api/v1/cpo/fleet/summary", "nonsense", Some(trusted));
    assert_eq!((status, &body["error"]), (401, &json!("unauthorized")));
    server.signal("TERM");
    assert_eq!(server.ends().status.code(), Some(0));
}
