//! Conversations with registries: who is asked, with which rights, and what a failure means.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;

use ureq::http::{Method, Request, Response};
use ureq::{Agent, AsSendBody, Body, Proxy, SendBody};

use super::call::{Answer, Call, Pauses, is_passing, is_passing_status, retry_after};
use super::challenge::Challenge;
use super::credentials::Credential;
use super::endpoint::Endpoint;
use super::settings::{Patience, RegistrySettings};
use super::token::{self, Known, TokenServer};
use super::url::Url;
use super::{RegistryError, tls};

/// The most redirects of one request.
const MOST_REDIRECTS: usize = 5;

/// A conversation with one registry or mirror; several threads may have their parts in it.
pub(super) struct Session {
    pub(super) endpoint: Endpoint,
    patience: Patience,
    proxies: super::proxy::Proxies,
    credential: Option<Credential>,
    /// For the registry's own host: with the client's certificate.
    agent: Agent,
    /// For other hosts that it sends to; made when the first one is met.
    others: Mutex<Option<Agent>>,
    known: Mutex<Known>,
    /// Whether it ever answered.
    stood: AtomicBool,
    /// Whether servers for this machine alone are refused.
    guarded: bool,
}

impl Session {
    pub(super) fn open(
        mut endpoint: Endpoint,
        settings: &RegistrySettings,
        credential: Option<Credential>,
    ) -> Result<Self, RegistryError> {
        let folder = settings.certificate_folders.iter().any(|folder| folder.join(&endpoint.name).is_dir());
        let may_be_plain = endpoint.may_be_plain && !folder;
        if may_be_plain && speaks_no_tls(&endpoint, settings.patience) {
            endpoint.base.secure = false;
        }
        let config = if endpoint.base.secure {
            Some(tls::for_endpoint(&endpoint, &settings.certificate_folders)?)
        } else {
            None
        };
        Ok(Self {
            patience: settings.patience,
            proxies: settings.proxies.clone(),
            credential,
            agent: agent(settings.patience, config),
            others: Mutex::new(None),
            known: Mutex::new(Known::default()),
            stood: AtomicBool::new(false),
            guarded: false,
            endpoint,
        })
    }

    /// One that refuses servers for this machine alone, wherever it is sent.
    pub(super) fn guarded(self) -> Self {
        Self { guarded: true, ..self }
    }

    /// Its name in messages.
    pub(super) fn host(&self) -> &str {
        &self.endpoint.name
    }

    pub(super) fn anonymous(&self) -> bool {
        self.credential.is_none()
    }

    /// Sends a request, again where that may help, and with a token where one is wanted. Answers whatever it gets in the end.
    pub(super) fn send(&self, call: &Call<'_>) -> Result<Answer, RegistryError> {
        let mut pauses = Pauses::new(self.patience);
        let mut authorised = false;
        loop {
            let authorization = self.authorization(&call.scopes)?;
            let used = authorization.clone();
            let pause = match self.follow(call, authorization) {
                Ok(answer)
                    if answer.status == 401 && !authorised && answer.url.same_server(&self.endpoint.base) =>
                {
                    authorised = true;
                    if !self.authorise(&answer, &call.scopes, used.as_deref())? {
                        return Ok(answer);
                    }
                    answer.finish();
                    continue;
                }
                Ok(answer) if call.again && is_passing_status(answer.status) => {
                    let wanted = retry_after(&answer, self.host())?;
                    match pauses.next() {
                        Some(pause) => wanted.unwrap_or(pause),
                        None => return Ok(answer),
                    }
                }
                Ok(answer) => return Ok(answer),
                Err(RegistryError::Reach { host, source }) => {
                    let passing = call.again && is_passing(&source, self.stood.load(Ordering::Relaxed));
                    match pauses.next().filter(|_| passing) {
                        Some(pause) => pause,
                        None => return Err(RegistryError::Reach { host, source }),
                    }
                }
                Err(error) => return Err(error),
            };
            sleep(pause);
        }
    }

    /// Sends a request, and follows where it leads. Credentials go to the registry itself and to nobody else.
    fn follow(&self, call: &Call<'_>, authorization: Option<String>) -> Result<Answer, RegistryError> {
        let mut url = call.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let own = url.same_server(&self.endpoint.base);
            let answer = self.exchange(call, &url, authorization.clone().filter(|_| own))?;
            let reading = matches!(call.method, Method::GET | Method::HEAD);
            let Some(next) = answer.location().filter(|_| reading) else { return Ok(answer) };
            let next = next.map_err(|why| RegistryError::answer(self.host(), why))?;
            self.check_protected(&next)?;
            answer.finish();
            url = next;
        }
        Err(RegistryError::answer(self.host(), "it sends from one place to the next without an end"))
    }

    /// From a server with TLS the way never leads to one without.
    pub(super) fn check_protected(&self, next: &Url) -> Result<(), RegistryError> {
        if self.endpoint.base.secure && !next.secure {
            return Err(RegistryError::Downgrade { host: self.host().to_owned(), to: next.to_string() });
        }
        Ok(())
    }

    /// One request and one answer.
    fn exchange(
        &self,
        call: &Call<'_>,
        url: &Url,
        authorization: Option<String>,
    ) -> Result<Answer, RegistryError> {
        if self.guarded {
            super::file::check_host(url)?;
        }
        let agent =
            if url.same_server(&self.endpoint.base) { self.agent.clone() } else { self.other_agent(url)? };
        let mut builder = Request::builder().method(call.method.clone()).uri(url.to_string());
        for (name, value) in &call.headers {
            builder = builder.header(*name, value);
        }
        if let Some(authorization) = authorization {
            builder = builder.header("authorization", authorization);
        }
        if let Some(length) = call.payload.length() {
            builder = builder.header("content-length", length);
        }
        let reach = |source: ureq::Error| RegistryError::Reach {
            host: url.authority.clone(),
            source: Box::new(source),
        };
        let proxy = self.proxies.choose(url).map(Proxy::new).transpose().map_err(|_| RegistryError::Proxy)?;
        let response = if call.payload.length().is_some() {
            let mut reader = call.payload.reader();
            let body = SendBody::from_reader(&mut reader);
            builder.body(body).map_err(Into::into).and_then(|request| run(&agent, request, proxy))
        } else {
            builder.body(()).map_err(Into::into).and_then(|request| run(&agent, request, proxy))
        };
        let response = response.map_err(reach)?;
        self.stood.store(true, Ordering::Relaxed);
        Ok(Answer::new(url.clone(), response, self.patience.idle))
    }

    fn other_agent(&self, url: &Url) -> Result<Agent, RegistryError> {
        let mut others = self.others.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(agent) = &*others {
            return Ok(agent.clone());
        }
        let config = if self.endpoint.base.secure || url.secure { Some(tls::for_others()?) } else { None };
        let new = agent(self.patience, config);
        *others = Some(new.clone());
        Ok(new)
    }

    /// The header that is known to be wanted.
    fn authorization(&self, scopes: &[String]) -> Result<Option<String>, RegistryError> {
        if let Some(Credential::RegistryToken(token)) = &self.credential {
            return Ok(Some(format!("Bearer {token}")));
        }
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.basic {
            return Ok(self.basic());
        }
        if known.server.is_some() && known.token(scopes).is_none() {
            self.fetch_token(&mut known, scopes)?;
        }
        Ok(known.token(scopes).map(|token| format!("Bearer {token}")))
    }

    fn basic(&self) -> Option<String> {
        match &self.credential {
            Some(Credential::Password { user, secret }) => Some(token::basic(user, secret)),
            _ => None,
        }
    }

    /// Does what an answer of status 401 asks for. Whether there is anything new to try.
    fn authorise(
        &self,
        answer: &Answer,
        scopes: &[String],
        used: Option<&str>,
    ) -> Result<bool, RegistryError> {
        let headers = answer.headers.get_all("www-authenticate");
        let challenge = Challenge::best(headers.iter().filter_map(|value| value.to_str().ok()));
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match challenge {
            None => Ok(false),
            Some(Challenge::Basic) => {
                known.basic = self.basic().is_some();
                Ok(known.basic && self.basic().as_deref() != used)
            }
            Some(Challenge::Bearer { realm, service, scope }) => {
                let realm = Url::parse(&realm).ok_or_else(|| {
                    RegistryError::answer(self.host(), "its token server has no address that could be used")
                })?;
                self.check_protected(&realm)?;
                known.server = Some(TokenServer { realm, service });
                let newer = known.token(scopes).is_some_and(|token| used != Some(&format!("Bearer {token}")));
                if !newer {
                    known.forget(scopes);
                    let asked: Vec<String> = match scope {
                        Some(scope) if scopes.is_empty() => vec![scope],
                        _ => scopes.to_vec(),
                    };
                    self.fetch_token_for(&mut known, &asked, scopes)?;
                }
                Ok(true)
            }
        }
    }

    fn fetch_token(&self, known: &mut Known, scopes: &[String]) -> Result<(), RegistryError> {
        self.fetch_token_for(known, scopes, scopes)
    }

    fn fetch_token_for(
        &self,
        known: &mut Known,
        asked: &[String],
        kept_for: &[String],
    ) -> Result<(), RegistryError> {
        let Some(server) = known.server.clone() else { return Ok(()) };
        let form = match &self.credential {
            Some(Credential::IdentityToken(identity)) => token::form(&server, asked, identity),
            _ => String::new(),
        };
        let call = token::request(&server, asked, self.credential.as_ref(), &form);
        let answer = self.ask_token_server(&call)?;
        let host = server.realm.authority;
        if answer.status != 200 {
            return Err(answer.into_error(&host, "a token", self.anonymous()));
        }
        let (token, life) =
            token::read(answer).ok_or_else(|| RegistryError::answer(&host, "it holds no token"))?;
        known.keep(kept_for, token, life);
        Ok(())
    }

    /// Without redirects: what is sent is for this server alone.
    fn ask_token_server(&self, call: &Call<'_>) -> Result<Answer, RegistryError> {
        let mut pauses = Pauses::new(self.patience);
        loop {
            let (wanted, failed) = match self.exchange(call, &call.url, None) {
                Ok(answer) if is_passing_status(answer.status) => {
                    (retry_after(&answer, &call.url.authority)?, Ok(answer))
                }
                Ok(answer) => return Ok(answer),
                Err(RegistryError::Reach { source, .. }) if !is_passing(&source, true) => {
                    return Err(RegistryError::Reach { host: call.url.authority.clone(), source });
                }
                Err(error) => (None, Err(error)),
            };
            match pauses.next() {
                Some(pause) => sleep(wanted.unwrap_or(pause)),
                None => return failed,
            }
        }
    }
}

fn agent(patience: Patience, tls: Option<ureq::tls::TlsConfig>) -> Agent {
    let mut config = Agent::config_builder()
        .user_agent(concat!("cofferdam/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        // Layers are compressed already, and digests are of what is sent.
        .accept_encoding("identity")
        .accept("")
        .timeout_resolve(Some(patience.connect))
        .timeout_connect(Some(patience.connect))
        .timeout_recv_response(Some(patience.idle))
        .timeout_per_read(Some(patience.idle))
        .timeout_per_write(Some(patience.idle))
        .max_idle_connections_per_host(8);
    if let Some(tls) = tls {
        config = config.tls_config(tls);
    }
    config.build().new_agent()
}

fn run(
    agent: &Agent,
    request: Request<impl AsSendBody>,
    proxy: Option<Proxy>,
) -> Result<Response<Body>, ureq::Error> {
    match proxy {
        None => agent.run(request),
        proxy => agent.run(agent.configure_request(request).proxy(proxy).build()),
    }
}

/// Whether a server on this machine answers a TLS handshake with something that is none.
fn speaks_no_tls(endpoint: &Endpoint, patience: Patience) -> bool {
    let Ok(config) = tls::for_others() else { return true };
    let url = Url { secure: true, ..endpoint.url("") };
    match agent(patience, Some(config)).get(url.to_string()).call() {
        Err(ureq::Error::Rustls(rustls::Error::InvalidMessage(_))) => true,
        Err(ureq::Error::Io(error)) => {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            matches!(inner, Some(rustls::Error::InvalidMessage(_)))
                || matches!(
                    error.kind(),
                    std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset
                )
        }
        _ => false,
    }
}
