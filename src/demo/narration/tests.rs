//! The narration's lines about a market that breaks, from real answers.

use tokio::net::TcpListener;

use super::*;
use crate::demo::{open_venues, service, settings_text};
use crate::settings::load::{LoadOptions, load};

/// The line of the scene with this title, without waiting until it shows. The timeout is generous, so that a busy machine does
/// not change the line.
async fn line(title: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text =
        settings_text(listener.local_addr().unwrap()).replace("\"800ms\"", "\"9s\"").replace("\"600ms\"", "\"8s\"");
    let settings = load(&LoadOptions { text: Some(("the demo".to_owned(), text)), ..LoadOptions::default() }).unwrap();
    let venues = open_venues(listener, &settings);
    let service = service(settings).unwrap();
    let scene = SCENES.iter().find(|scene| scene.title == title).unwrap();
    for (name, mood) in scene.moods {
        venues.get(name).unwrap().set(*mood);
    }
    (scene.describe)(&ask(&service, scene.symbol).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_label_is_left_out_and_the_price_stays_in_dollars() {
    let line = line("gamma states euros").await;
    assert!(
        line.starts_with("AAPL 23") && line.contains(" USD ok · gamma excluded / currency_mismatch at 23"),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_trade_beside_a_live_book_does_not_move_the_price() {
    let line = line("zeta and eta have old trades").await;
    let figure = |before: &str| {
        let (_, after) = line.split_once(before).unwrap_or_else(|| panic!("{before:?} is not in {line:?}"));
        let figure = after.split([' ', ';', ',']).next().unwrap().trim_end_matches('.');
        figure.parse::<Decimal>().unwrap()
    };
    let (price, book) = (figure("BTC-USD "), figure("its live book stands around "));
    let (last, middle) = (figure("eta's last trade was at "), figure("the last trades would have been "));
    // in thousandths of the price, which walks on while venues are asked
    let off = |value: Decimal| ((price - value) * Decimal::ONE_THOUSAND / price).round();
    assert_eq!((off(book), off(last)), (Decimal::ZERO, Decimal::from(15)), "{line}");
    assert!(off(middle) >= Decimal::from(7), "{line}");
}

#[test]
fn every_venue_of_a_scene_can_misbehave_as_it_says() {
    for scene in &SCENES {
        for (name, mood) in scene.moods {
            let (_, wire, _) = crate::demo::VENUES.into_iter().find(|(venue, ..)| venue == name).unwrap();
            let venue = crate::demo::Venue::new(name, wire, std::collections::HashMap::new());
            assert!(venue.can(*mood), "{}: {name} cannot {mood:?}", scene.title);
        }
    }
}
