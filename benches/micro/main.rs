//! Measures the steps of a request one by one: `cargo bench --bench micro`, or a part of it with `-- fold`.
//!
//! Most are measured for several sizes, and `items/s` counts sources, symbols or quotes: where it stays the same from one size to
//! the next, the cost is linear. Where it halves as the size doubles, the cost is quadratic. Compare figures of one run only.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench that cannot go on should stop, and may block"
)]

#[path = "../support/board.rs"]
mod board;
mod calls;
mod world;

use divan::Bencher;
use divan::counter::ItemsCount;
use quotefold::board::Update;
use quotefold::clock::Clock;
use quotefold::fold::fold;
use quotefold::provider::extract::Extractor;
use quotefold::question::Question;
use quotefold::quote::Outcome;
use quotefold::symbol::Symbol;
use tokio::runtime::{Builder, Runtime};
use world::World;

/// How many sources a plan is about.
const SOURCES: [usize; 4] = [5, 10, 20, 40];

/// How many symbols a request is about.
const SYMBOLS: [usize; 3] = [2, 20, 100];

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    divan::main();
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn query(symbols: &[Symbol]) -> String {
    let symbols: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
    format!("symbols={}", symbols.join(","))
}

#[divan::bench(args = SYMBOLS)]
fn question(bencher: Bencher<'_, '_>, symbols: usize) {
    let service = board::service(1, &[]);
    let (query, bounds) = (query(&board::symbols(symbols)), service.bounds());
    let now = service.clock().now();
    bencher.counter(ItemsCount::new(symbols)).bench(|| Question::parse(&query, bounds, now));
}

#[divan::bench(args = SOURCES)]
fn plan(bencher: Bencher<'_, '_>, sources: usize) {
    planned(bencher, &World::straight(sources), sources);
}

#[divan::bench(args = SOURCES)]
fn plan_derived(bencher: Bencher<'_, '_>, sources: usize) {
    planned(bencher, &World::derived(sources), sources);
}

fn planned(bencher: Bencher<'_, '_>, world: &World, sources: usize) {
    let runtime = runtime();
    runtime.block_on(world.fill());
    bencher.counter(ItemsCount::new(sources)).bench_local(|| runtime.block_on(world.plan()));
}

#[divan::bench(args = SOURCES)]
fn valuation(bencher: Bencher<'_, '_>, sources: usize) {
    valued(bencher, &World::straight(sources), sources);
}

#[divan::bench(args = SOURCES)]
fn valuation_derived(bencher: Bencher<'_, '_>, sources: usize) {
    valued(bencher, &World::derived(sources), sources);
}

fn valued(bencher: Bencher<'_, '_>, world: &World, sources: usize) {
    let runtime = runtime();
    let (plan, told) = runtime.block_on(world.fill());
    bencher.counter(ItemsCount::new(sources)).bench_local(|| runtime.block_on(world.value(&plan, &told)));
}

/// One symbol, by how many sources have quoted it.
#[divan::bench(name = "fold", args = SOURCES)]
fn fold_one(bencher: Bencher<'_, '_>, sources: usize) {
    let symbols = board::symbols(1);
    let service = board::service(sources, &symbols);
    let now = service.clock().now();
    let (_, quote) = board::quotes(service.settings(), &symbols, now.wall).remove(0);
    let land = |origin| service.board().land(origin, &symbols[0], Update::Quote(quote.clone()), now);
    let outcomes: Vec<Outcome> = service.sources().iter().map(|source| land(source.profile.plain_origin())).collect();
    let rule = service.settings().rule(&symbols[0], None);
    bencher
        .counter(ItemsCount::new(sources))
        .with_inputs(|| outcomes.clone())
        .bench_values(|outcomes| fold(&symbols[0], outcomes, &rule, now.wall));
}

/// The JSON of an answer over five sources.
#[divan::bench(args = SYMBOLS)]
fn answer(bencher: Bencher<'_, '_>, symbols: usize) {
    let all = board::symbols(symbols);
    let service = board::service(5, &all);
    let now = service.clock().now();
    let question = Question::parse(&query(&all), service.bounds(), now).unwrap();
    let runtime = runtime();
    let answer = runtime.block_on(service.answer(&question));
    bencher.counter(ItemsCount::new(symbols)).bench_local(|| answer.body(now.wall));
}

/// A vendor's reply, from bytes to quotes.
#[divan::bench(args = SYMBOLS)]
fn extract(bencher: Bencher<'_, '_>, symbols: usize) {
    let extractor = Extractor::new(&board::settings(1).sources[0]).unwrap();
    let symbols = board::symbols(symbols);
    let reply = board::reply(&symbols, Clock::system().now().wall);
    bencher.counter(ItemsCount::new(symbols.len())).bench_local(|| board::read(&extractor, &reply, &symbols));
}
