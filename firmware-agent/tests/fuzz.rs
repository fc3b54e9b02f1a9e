//! Arbitrary bytes and damaged good ones: whatever a line carries and whatever stands in a profile
//! file, nothing panics, nothing goes on for ever, nothing is believed that was not asked for.
//!
//! `DYNAMO_SEED` replays a run: the seed is printed.

use std::path::Path;
use std::time::Duration;

use firmware_agent::client::{ByteStream, Client, Opened, Port};
use firmware_agent::codec::{Answer, Request, ascii, rtu, tcp};
use firmware_agent::decode::{Image, decode};
use firmware_agent::encode::limit_order;
use firmware_agent::poll_plan::{Wish, plan};
use firmware_agent::{BusLink, SerialFraming, TcpFraming};
use hw_profiles::{FrameFile, Parity, Profile, SerialLine, Table, builtin_frames};
use site_model::Milliamps;
use tokio::io::AsyncWriteExt;

const FRAMES: u32 = 200_000;
const FILES: u32 = 1_500;
const EXCHANGES: u32 = 1_500;
/// Longest frame of any framing is 513 characters (ASCII); a line may carry more.
const BYTES_MAX: usize = 600;

#[expect(
    clippy::print_stdout,
    reason = "a test prints the seed that replays it"
)]
fn rng() -> fastrand::Rng {
    let given = std::env::var("DYNAMO_SEED").ok();
    let seed = given.map_or(20_261_122, |text| text.parse().expect("a number"));
    println!("DYNAMO_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// Good frames of every framing.
fn good_frames() -> Vec<Vec<u8>> {
    let mut good = Vec::new();
    for frame in builtin_frames()
        .expect("they load")
        .iter()
        .flat_map(|f| &f.frames)
    {
        good.push(frame.request.clone());
        good.push(frame.response.clone());
    }
    for unit in [1, 7, 255] {
        for request in requests() {
            good.push(ascii::encode(unit, &request));
            good.push(rtu::encode(unit, &request));
            good.push(tcp::encode(u16::from(unit), unit, &request));
        }
    }
    good
}

fn requests() -> Vec<Request> {
    let read = |table, address, count| Request::Read {
        table,
        address,
        count,
    };
    vec![
        read(Table::Holding, 0, 1),
        read(Table::Holding, 0xFFFF, 1),
        read(Table::Input, 5, 14),
        read(Table::Input, 0, 125),
        read(Table::Coil, 3, 1),
        read(Table::Discrete, 0, 2_000),
        Request::WriteSingle {
            address: 261,
            value: 100,
        },
        Request::WriteMultiple {
            address: 1_000,
            values: vec![1, 2],
        },
    ]
}

/// Arbitrary bytes, or good frames one after another with some damage.
fn heard(good: &[Vec<u8>], rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    if rng.u8(0..4) == 0 {
        bytes.resize_with(rng.usize(0..64), || rng.u8(..));
        return bytes;
    }
    for _ in 0..rng.usize(1..=3) {
        bytes.extend(&good[rng.usize(..good.len())]);
    }
    for _ in 0..rng.usize(0..4) {
        damage(&mut bytes, rng);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn damage(bytes: &mut Vec<u8>, rng: &mut fastrand::Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.usize(..bytes.len());
    match rng.u8(0..6) {
        0 => bytes[at] ^= 1 << rng.u8(0..8),
        1 => bytes[at] = rng.u8(..),
        2 => bytes.insert(at, rng.u8(..)),
        3 => drop(bytes.remove(at)),
        4 => bytes.truncate(at),
        _ => bytes.rotate_left(at),
    }
}

/// An answer is one to the request, and lies inside what was heard.
fn believed(request: &Request, start: usize, answer: &Answer, heard: &[u8]) {
    assert!(start < heard.len());
    match (request, answer) {
        (Request::Read { count, .. }, Answer::Registers(words)) => {
            assert_eq!(words.len(), usize::from(*count), "{request:?} {heard:02x?}");
        }
        (Request::Read { .. }, Answer::Written) => panic!("{request:?} {heard:02x?}"),
        (_, Answer::Registers(_)) => panic!("{request:?} {heard:02x?}"),
        (_, Answer::Written | Answer::Exception(_)) => {}
    }
}

#[test]
fn no_bytes_on_a_line_are_taken_for_what_they_are_not() {
    let mut rng = rng();
    let good = good_frames();
    let requests = requests();
    let mut found = 0;
    for _ in 0..FRAMES {
        let heard = heard(&good, &mut rng);
        let request = &requests[rng.usize(..requests.len())];
        let unit = [1, 7, 255][rng.usize(..3)];
        if let Some((start, answer)) = rtu::find_answer(&heard, unit, request) {
            believed(request, start, &answer, &heard);
            found += 1;
        }
        let (strays, noise) = rtu::strays(&heard);
        let whole: usize = strays.iter().map(|stray| stray.len).sum();
        assert_eq!(whole + noise, heard.len(), "{heard:02x?}");
        if let Some((start, answer)) = ascii::find_answer(&heard, unit, request) {
            believed(request, start, &answer, &heard);
            found += 1;
        }
        let (strays, noise) = ascii::strays(&heard);
        let whole: usize = strays.iter().map(|stray| stray.len).sum();
        assert_eq!(whole + noise, heard.len(), "{heard:02x?}");
        let _under_way = ascii::is_under_way(&heard);
        let mut rest = heard.as_slice();
        while let Ok(Some(frame)) = tcp::first_frame(rest) {
            assert!(frame.len > 0 && frame.len <= rest.len(), "{heard:02x?}");
            if let Ok(answer) = request.decode_answer(frame.pdu) {
                believed(request, 0, &answer, &heard);
                found += 1;
            }
            rest = &rest[frame.len..];
        }
        let _misfit = request.decode_answer(&heard);
    }
    assert!(
        found > 100,
        "{found}: too little is whole to prove anything"
    );
}

/// A device that says the same whatever it is asked, and then nothing more.
struct Babble(Vec<u8>);

impl Port for Babble {
    fn open<'a>(&'a mut self, _: &'a BusLink) -> Opened<'a> {
        let (ours, theirs) = tokio::io::duplex(16_384);
        let (mut requests, mut answers) = tokio::io::split(theirs);
        let bytes = self.0.clone();
        tokio::spawn(async move {
            let mut taken = [0; 64];
            while matches!(tokio::io::AsyncReadExt::read(&mut requests, &mut taken).await, Ok(n) if n > 0)
            {
                // Who asked may be gone.
                let _gone = answers.write_all(&bytes).await;
            }
        });
        Box::pin(async move { Ok(Box::new(ours) as Box<dyn ByteStream>) })
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_heard_a_question_ends_in_time() {
    let mut rng = rng();
    let good = good_frames();
    let requests = requests();
    let line = SerialLine {
        baud: 9_600,
        parity: Parity::None,
        stop_bits: 1,
    };
    let serial = |framing| BusLink::Serial {
        path: "in-process".into(),
        line,
        framing,
    };
    let tcp = |framing| BusLink::Tcp {
        host: "in-process".to_owned(),
        port: 502,
        framing,
    };
    let links = [
        serial(SerialFraming::Rtu),
        serial(SerialFraming::Ascii),
        tcp(TcpFraming::Mbap),
        tcp(TcpFraming::Rtu),
    ];
    let answer_timeout = Duration::from_millis(300);
    for _ in 0..EXCHANGES {
        let mut babble = heard(&good, &mut rng);
        // Also more than a line may carry in one exchange.
        for _ in 0..rng.usize(0..6) {
            let more = heard(&good, &mut rng);
            babble.extend(more);
        }
        let link = links[rng.usize(..links.len())].clone();
        let request = &requests[rng.usize(..requests.len())];
        let mut client = Client::open_on(Babble(babble.clone()), link.clone())
            .await
            .expect("it opens");
        for _ in 0..2 {
            let began = tokio::time::Instant::now();
            let answer = client.ask(1, request, answer_timeout, Duration::ZERO).await;
            let took = began.elapsed();
            // The longest answer takes 4.7 s at 9600 Bd as ASCII; before it, the rest that a line
            // needs after a question without an answer.
            assert!(
                took < Duration::from_secs(8),
                "{took:?} {link:?} {babble:02x?}"
            );
            if let Ok(answer) = answer {
                believed(request, 0, &answer, &[0]);
            }
        }
    }
}

/// Numbers and words that upset what reads them.
const AWKWARD: [&str; 16] = [
    "0",
    "-1",
    "65535",
    "65536",
    "0xFFFFFFFFFFFFFFFF",
    "9223372036854775807",
    "1e400",
    "nan",
    "\"\"",
    "[]",
    "{}",
    "\"u64\"",
    "\"coil\"",
    "true",
    "\"0.000000000000000001\"",
    "\u{feff}",
];

/// A profile or frame file with a few lines or values damaged.
fn damaged_file(text: &str, rng: &mut fastrand::Rng) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..rng.usize(1..=3) {
        let at = rng.usize(..lines.len());
        match rng.u8(0..7) {
            0 => drop(lines.remove(at)),
            1 => {
                let copy = lines[at].clone();
                lines.insert(at, copy);
            }
            2 => {
                let other = rng.usize(..lines.len());
                lines.swap(at, other);
            }
            3..=5 => {
                if let Some((key, _)) = lines[at].split_once('=') {
                    lines[at] = format!("{key}= {}", AWKWARD[rng.usize(..AWKWARD.len())]);
                }
            }
            _ => {
                let mut bytes = lines[at].clone().into_bytes();
                damage(&mut bytes, rng);
                lines[at] = String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        if lines.is_empty() {
            break;
        }
    }
    lines.join("\n")
}

/// A profile that was loaded can be used: nothing that it says breaks who works by it.
fn use_profile(profile: &Profile, rng: &mut fastrand::Rng) {
    let reads = plan(profile, &vec![Wish::Due; profile.registers.len()]);
    let longest = profile.link.max_registers_per_read.max(125);
    let mut image = Image::new(profile);
    for read in &reads {
        assert!(read.count <= longest.max(2_000), "{}: {read:?}", profile.id);
        let _bytes = read.request().encode();
    }
    for (index, register) in profile.registers.iter().enumerate() {
        let words: Vec<u16> = (0..register.count()).map(|_| rng.u16(..)).collect();
        image.set(index, &words);
    }
    let _values = decode(profile, &image, &vec![true; profile.registers.len()]);
    if let Some(control) = &profile.limit {
        for limit in [0, 1, 5_999, 6_000, 16_123, 80_000, u32::MAX] {
            for phases in 1..=3 {
                let Ok(order) = limit_order(control, Milliamps(limit), phases) else {
                    continue;
                };
                assert!(
                    order.applied.0 <= limit,
                    "{}: {limit} {order:?}",
                    profile.id
                );
            }
        }
    }
    for number in 1..=4 {
        let _connector = profile.for_connector(number);
    }
    let _unconfirmed = profile.unconfirmed();
}

#[test]
fn no_profile_file_breaks_what_loads_it_or_works_by_it() {
    let mut rng = rng();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hw-profiles");
    let mut files = Vec::new();
    for part in ["chargers", "meters"] {
        for entry in std::fs::read_dir(folder.join(part)).expect("it is there") {
            let path = entry.expect("it can be read").path();
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            files.push((name, std::fs::read_to_string(&path).expect("a text")));
        }
    }
    files.sort();
    let mut loaded = 0;
    for _ in 0..FILES {
        let (name, text) = &files[rng.usize(..files.len())];
        let text = damaged_file(text, &mut rng);
        if name.ends_with(".frames.toml") {
            let _frames = FrameFile::from_toml(name, &text);
        } else if let Ok(profile) = Profile::from_toml(name, &text) {
            loaded += 1;
            use_profile(&profile, &mut rng);
        }
    }
    assert!(loaded > 50, "{loaded}: too few are whole to prove anything");
}
