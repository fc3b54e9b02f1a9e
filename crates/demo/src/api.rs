//! A client of the REST API, as small as a developer's first script.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::Value;

/// How a request says who asks.
#[derive(Debug, Clone)]
pub enum Credential {
    /// `Authorization: Bearer …`.
    Bearer(String),
    /// `X-API-Key: …`.
    ApiKey(String),
    /// Nothing.
    None,
}

fn builder() -> reqwest::ClientBuilder {
    // The second caller finds the provider installed, which is all it wants.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(Duration::from_secs(20))
}

/// One answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body; `Null` if empty or no JSON.
    pub body: Value,
}

impl Answer {
    /// The first header of this (lower-case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The API at one address.
#[derive(Debug, Clone)]
pub struct Api {
    client: reqwest::Client,
    base: String,
    credential: Credential,
}

impl Api {
    /// `base` is the address without a path, for instance `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// If the HTTP client cannot be made.
    pub fn new(base: &str, credential: Credential) -> anyhow::Result<Self> {
        Self::over(builder(), base, credential)
    }

    /// The same over TLS: nobody is trusted but who has a certificate of `root`, in PEM.
    ///
    /// # Errors
    /// If it is no certificate, or the HTTP client cannot be made.
    pub fn trusting(base: &str, credential: Credential, root: &[u8]) -> anyhow::Result<Self> {
        let root = reqwest::Certificate::from_pem(root)?;
        Self::over(builder().tls_certs_only([root]), base, credential)
    }

    fn over(
        builder: reqwest::ClientBuilder,
        base: &str,
        credential: Credential,
    ) -> anyhow::Result<Self> {
        let client = builder.build()?;
        Ok(Self {
            client,
            base: base.trim_end_matches('/').to_owned(),
            credential,
        })
    }

    /// The same API for somebody else.
    #[must_use]
    pub fn with(&self, credential: Credential) -> Self {
        Self {
            credential,
            ..self.clone()
        }
    }

    /// The address with `path` behind it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends a request with an optional JSON body.
    ///
    /// # Errors
    /// If no answer arrives.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let mut request = self.client.request(method, self.url(path));
        request = match &self.credential {
            Credential::Bearer(key) => request.bearer_auth(key),
            Credential::ApiKey(key) => request.header("X-API-Key", key),
            Credential::None => request,
        };
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("no answer from {path}"))?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let text = response.text().await?;
        Ok(Answer {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
        })
    }

    /// GET that must succeed.
    ///
    /// # Errors
    /// If no answer arrives or its status is not 200.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.send(Method::GET, path, None).await?;
        ensure!(
            answer.status == 200,
            "{path} answered {}: {}",
            answer.status,
            answer.body
        );
        Ok(answer.body)
    }

    /// Status of one charge point.
    ///
    /// # Errors
    /// If no answer arrives or its status is not 200.
    pub async fn status(&self, charge_point: &str) -> anyhow::Result<Value> {
        self.get(&format!("/api/v1/chargepoints/{charge_point}/status"))
            .await
    }

    /// Summary of the caller's fleet.
    ///
    /// # Errors
    /// If no answer arrives or its status is not 200.
    pub async fn summary(&self) -> anyhow::Result<Value> {
        self.get("/api/v1/cpo/fleet/summary").await
    }
}
