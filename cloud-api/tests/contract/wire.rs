//! Over real sockets: what only raw bytes can say.

use cloud_api::keys::Scope;
use cloud_api::listener::{self, Bounds};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::harness::World;

/// Sends pieces of bytes to a server of this world, and answers all that comes back until it ends
/// the connection.
async fn exchange(world: &World, pieces: &[&[u8]]) -> String {
    let tcp = listener::bind("127.0.0.1:0".parse().unwrap(), "http.listen")
        .await
        .unwrap();
    let address = tcp.local_addr().unwrap();
    let stop = CancellationToken::new();
    let router = world.router.clone();
    let server = tokio::spawn(listener::serve(
        tcp,
        None,
        router,
        stop.clone(),
        Bounds::default(),
    ));
    let mut stream = TcpStream::connect(address).await.unwrap();
    for piece in pieces {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut answer = Vec::new();
    // A reset is an end as well: the server may leave bytes unread that it refused.
    let _reset = stream.read_to_end(&mut answer).await;
    stop.cancel();
    server.await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Status line, request id of the header, body.
fn parts(answer: &str) -> (&str, &str, &str) {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{answer:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap();
    let id = lines.find_map(|line| line.strip_prefix("x-request-id: "));
    (
        status,
        id.unwrap_or_else(|| panic!("no id in {answer:?}")),
        body,
    )
}

#[tokio::test]
async fn what_is_no_http_is_refused_with_an_id_and_a_body() {
    let world = World::new().await;
    // As large as the listener takes, and not at its end yet: nothing is left unread when it refuses.
    let start = "GET / HTTP/1.1\r\nhost: x\r\nx-filler: ";
    let long_head = format!("{start}{}", "x".repeat((64 << 10) - start.len()));
    let many = format!(
        "GET / HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "a: b\r\n".repeat(200)
    );
    for (request, field, fault) in [
        ("GARBAGE\r\n\r\n", "request", "is no valid HTTP/1.1"),
        (
            "GET /a\0b HTTP/1.1\r\nhost: x\r\n\r\n",
            "request",
            "is no valid HTTP/1.1",
        ),
        (
            "GET / HTTP/1.1\r\nhost x\r\n\r\n",
            "request",
            "is no valid HTTP/1.1",
        ),
        (
            "GET / HTTP/1.1\r\nx: \0\r\n\r\n",
            "request",
            "is no valid HTTP/1.1",
        ),
        (
            "POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
            "request",
            "is no valid HTTP/1.1",
        ),
        (&long_head, "headers", "are too large or too many"),
        (&many, "headers", "are too large or too many"),
    ] {
        let answer = exchange(&world, &[request.as_bytes()]).await;
        let (status, id, body) = parts(&answer);
        let shown = &request[..request.len().min(60)];
        assert_eq!(status, "HTTP/1.1 400 Bad Request", "{shown:?}");
        assert_eq!(
            body,
            format!(
                r#"{{"error":"invalid_request","message":"Invalid request: {field} {fault}.","details":[{{"field":"{field}","message":"{fault}"}}],"request_id":"{id}"}}"#
            ),
            "{shown:?}"
        );
    }
}

#[tokio::test]
async fn a_chunked_body_is_taken_in_whatever_pieces_it_comes_and_bounded() {
    let world = World::new().await;
    let key = world.key(&[Scope::WriteApiKeys]).await;
    let head = format!(
        "POST /api/v1/org/api-keys HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\nconnection: close\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let answer = exchange(
        &world,
        &[
            head.as_bytes(),
            b"8\r\n{\"name\":\r\n",
            b"19\r\n\"x\",\"scopes\":[\"read:billi\r\n",
            b"5\r\nng\"]}\r\n0\r\n\r\n",
        ],
    )
    .await;
    let (status, _, body) = parts(&answer);
    assert_eq!(status, "HTTP/1.1 201 Created", "{body}");

    let filler = vec![b' '; cloud_api::http::BODY_MAX];
    let size = format!("{:x}\r\n", filler.len());
    let chunk = [size.as_bytes(), &filler, b"\r\n1\r\n \r\n0\r\n\r\n"].concat();
    let answer = exchange(&world, &[head.as_bytes(), &chunk]).await;
    let (status, id, body) = parts(&answer);
    assert_eq!(status, "HTTP/1.1 413 Payload Too Large");
    assert_eq!(
        body,
        format!(
            r#"{{"error":{{"code":"payload_too_large","message":"The body is larger than 262144 bytes.","request_id":"{id}"}}}}"#
        )
    );
}
