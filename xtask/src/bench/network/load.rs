//! The request and response load: one byte there and back. It runs in the network namespaces of containers, as
//! `xtask net-load serve PORT` and `xtask net-load ask ADDRESS`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// How many round trips, and how many connections with one request each. All connections of a run fit into the ports that a
/// client has.
const TRIPS: usize = 10_000;
const CONNECTIONS: u32 = 5_000;

/// What one client measured.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Load {
    /// Of one byte there and back, in microseconds: half of them took less.
    pub(super) round_trip_us: f64,
    /// Connect, ask, be answered, close: how many in a second, one after another.
    pub(super) connections_per_second: f64,
}

/// The part of this program that serves or asks.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    match arguments {
        [word, port] if word == "serve" => serve(port.parse().context("read a port")?)?,
        [word, address] if word == "ask" => {
            println!("{}", serde_json::to_string(&ask(address.parse().context("read an address")?)?)?);
        }
        _ => anyhow::bail!("usage: net-load serve PORT | net-load ask ADDRESS:PORT"),
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", port)).context("listen")?;
    for stream in listener.incoming() {
        let mut stream = stream.context("accept")?;
        stream.set_nodelay(true)?;
        // A client that goes away ends its thread, and nothing else.
        std::thread::spawn(move || {
            let mut byte = [0];
            while stream.read_exact(&mut byte).and_then(|()| stream.write_all(&byte)).is_ok() {}
        });
    }
    Ok(())
}

fn trip(stream: &mut TcpStream) -> Result<Duration> {
    let start = Instant::now();
    stream.write_all(b"x")?;
    stream.read_exact(&mut [0])?;
    Ok(start.elapsed())
}

fn ask(to: SocketAddr) -> Result<Load> {
    let mut stream = TcpStream::connect(to).with_context(|| format!("connect to {to}"))?;
    stream.set_nodelay(true)?;
    for _ in 0..TRIPS / 10 {
        trip(&mut stream)?;
    }
    let mut times = (0..TRIPS).map(|_| trip(&mut stream)).collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    let start = Instant::now();
    for _ in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(to).with_context(|| format!("connect to {to}"))?;
        trip(&mut stream)?;
    }
    Ok(Load {
        round_trip_us: times[TRIPS / 2].as_secs_f64() * 1e6,
        connections_per_second: f64::from(CONNECTIONS) / start.elapsed().as_secs_f64(),
    })
}
