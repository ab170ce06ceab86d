//! The program that one would write by hand in Rust: it asks all venues at once, parses their bodies and takes the median.
//! It keeps nothing and checks nothing. This bench starts itself as this program.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use reqwest::Client;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::arguments::HandMade;
use crate::machine::Machine;
use crate::process::{Server, free_address};
use crate::venues::Venues;

/// What a venue says about one symbol, as far as it is used.
#[derive(Deserialize)]
struct Row {
    ticker: String,
    last: f64,
    #[serde(rename = "lastSaleTimestamp")]
    at: String,
}

#[derive(Serialize)]
struct Quote {
    source: SocketAddr,
    price: f64,
    at: String,
}

#[derive(Serialize)]
struct Price<'s> {
    symbol: &'s str,
    price: f64,
    quotes: Vec<Quote>,
}

#[derive(Serialize)]
struct Answer<'s> {
    prices: Vec<Price<'s>>,
}

/// The program's state.
struct HandMadeService {
    client: Client,
    venues: Vec<SocketAddr>,
    /// The fan-outs that others may join, if they may.
    shared: Option<Mutex<HashMap<String, watch::Receiver<Option<Bytes>>>>>,
}

/// Starts this program as the hand-made one.
pub(crate) fn start(machine: &Machine, venues: &Venues, is_coalesced: bool) -> anyhow::Result<Server> {
    let address = free_address()?;
    let venues: Vec<String> = venues.addresses.iter().map(ToString::to_string).collect();
    let mut command = machine.server(std::env::current_exe()?);
    command.args(["hand-made", "--listen", &address.to_string(), "--venues", &venues.join(",")]);
    command.args(is_coalesced.then_some("--coalesced"));
    Server::start(&mut command, address)?.until_it_answers("/prices?symbols=AAPL")
}

/// Serves until the process is killed.
pub(crate) fn serve(options: &HandMade) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let service = Arc::new(HandMadeService {
        client: Client::builder().no_proxy().pool_max_idle_per_host(1024).build()?,
        venues: options.venues.clone(),
        shared: options.coalesced.then(Mutex::default),
    });
    // as many threads as it has cores, like quotefold
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(options.listen)?;
        let listener: TcpListener = socket.listen(4096)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(connection(stream, Arc::clone(&service)));
        }
    })
}

async fn connection(stream: TcpStream, service: Arc<HandMadeService>) {
    let answer = service_fn(|request: Request<Incoming>| {
        let service = Arc::clone(&service);
        async move {
            let query = request.uri().query().unwrap_or_default();
            let symbols = query.split('&').find_map(|pair| pair.strip_prefix("symbols=")).unwrap_or_default();
            let body = service.answer(symbols).await;
            let status = if body.is_ok() { 200 } else { 502 };
            let reply = Response::builder().status(status).header("content-type", "application/json");
            Ok::<_, Infallible>(reply.body(Full::new(body.unwrap_or_default())).unwrap_or_default())
        }
    });
    // a client that leaves ends its connection, and nothing else
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
}

impl HandMadeService {
    async fn answer(self: &Arc<Self>, symbols: &str) -> anyhow::Result<Bytes> {
        let Some(shared) = &self.shared else { return self.fan_out(symbols).await };
        let mut answer = {
            let mut shared = shared.lock();
            match shared.get(symbols) {
                Some(answer) => answer.clone(),
                None => {
                    let (made, answer) = watch::channel(None);
                    shared.insert(symbols.to_owned(), answer.clone());
                    let (service, symbols) = (Arc::clone(self), symbols.to_owned());
                    tokio::spawn(async move {
                        let body = service.fan_out(&symbols).await;
                        service.shared.as_ref().map(|shared| shared.lock().remove(&symbols));
                        made.send_replace(body.ok());
                    });
                    answer
                }
            }
        };
        let body = answer.wait_for(Option::is_some).await?;
        body.clone().context("no answer")
    }

    /// Asks every venue, and folds what they say.
    async fn fan_out(&self, symbols: &str) -> anyhow::Result<Bytes> {
        let mut calls = JoinSet::new();
        for venue in self.venues.iter().copied() {
            let request = self.client.get(format!("http://{venue}/iex/?tickers={symbols}"));
            calls.spawn(async move {
                let body = request.send().await?.bytes().await?;
                let rows: Vec<Row> = serde_json::from_slice(&body)?;
                anyhow::Ok((venue, rows))
            });
        }
        let mut quotes: HashMap<String, Vec<Quote>> = HashMap::new();
        while let Some(answered) = calls.join_next().await {
            let (source, rows) = answered??;
            for Row { ticker, last, at } in rows {
                quotes.entry(ticker).or_default().push(Quote { source, price: last, at });
            }
        }
        let prices = symbols.split(',').map(|symbol| {
            let mut quotes = quotes.remove(symbol).unwrap_or_default();
            quotes.sort_by(|a, b| a.price.total_cmp(&b.price));
            let price = quotes.get(quotes.len() / 2).map_or(f64::NAN, |quote| quote.price);
            Price { symbol, price, quotes }
        });
        Ok(serde_json::to_vec(&Answer { prices: prices.collect() })?.into())
    }
}
