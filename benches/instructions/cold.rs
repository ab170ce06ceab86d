//! A service whose sources have to be called, and requests for what none of them was called for before.

use std::fmt::Write;
use std::io::{BufRead, BufReader, stdin};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use quotefold::Quotefold;
use quotefold::clock::Clock;
use quotefold::settings::load::{LoadOptions, load};

use crate::venues::Venues;

/// The venues that the sources ask: this program as a process of its own, so that what it executes is not counted. They end
/// with this process, which holds their standard input.
pub(crate) struct Called {
    addresses: Vec<String>,
    process: Child,
}

impl Called {
    /// Starts this many.
    pub(crate) fn start(count: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--venues", &count.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let addresses: Vec<String> = lines.take(count).map(Result::unwrap).collect();
        assert_eq!(addresses.len(), count, "the venues did not start");
        Called { addresses, process }
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves as this many venues.
pub(crate) fn be_venues(count: usize) {
    let venues = Venues::quoting(count, Duration::ZERO).unwrap();
    venues.addresses.iter().for_each(|address| println!("{address}"));
    let _ = stdin().lines().last();
}

/// The service over these venues. It is configured as in `compare`, so that the row `different` spends its time as this does.
pub(crate) fn service(called: &Called) -> Quotefold {
    let mut text = String::from("[freshness]\nhours = false\n");
    for (number, address) in called.addresses.iter().enumerate() {
        let _ = write!(
            text,
            "[sources.venue-{number:02}]\nlike = \"tiingo\"\nbase_url = \"http://{address}\"\nkey = \"0123456789abcdef\"\n\
             limits = []\nbatch = 100\n"
        );
    }
    let settings = load(&LoadOptions { text: Some(("the bench".to_owned(), text)), ..LoadOptions::default() }).unwrap();
    Quotefold::new(settings, &Clock::system()).unwrap()
}

/// Two tickers, others for each number.
pub(crate) fn pair(number: usize) -> String {
    let letter = |place: u32| char::from(b'A' + u8::try_from(number / 26_usize.pow(place) % 26).unwrap());
    let name = [letter(2), letter(1), letter(0)].iter().collect::<String>();
    format!("QA{name},QB{name}")
}
