"""Writes sessions.txt: when the markets behind quotefold's symbols are open.

    python3 -m venv /tmp/hours && /tmp/hours/bin/pip install exchange_calendars "pandas<3"
    /tmp/hours/bin/python config/hours/export.py > config/hours/sessions.txt

Holidays, early closes and most hours come from exchange_calendars (https://pypi.org/project/exchange-calendars,
Apache-2.0). Where it omits a lunch break or states longer hours than an exchange keeps, CORE narrows them; markets that
it lacks are in BY_HAND. Hours that are too long would make a closed market's last price stale; hours that are a little
too short only delay the notice of a dead feed. So both tables hold only hours in which an exchange trades on every
normal day.
"""

import datetime as dt
import importlib.metadata
import textwrap
from collections import Counter
from zoneinfo import ZoneInfo

import exchange_calendars

# since this day, Tel Aviv trades from Monday to Friday
FIRST = dt.date(2026, 1, 5)
LAST = dt.date(2028, 12, 31)

# the symbols of each calendar: suffixes, indices, or all US listings
SYMBOLS = {
    "XNYS": "US ^GSPC ^SPX ^INX ^OEX ^MID ^SP400 ^SP600 ^DJI ^DJT ^DJU ^IXIC ^NDX ^NDQ ^RUT ^RUI ^RUA ^NYA ^XAX ^SOX ^VIX",
    "XTSE": ".TO .V .NE .CN ^GSPTSE",
    "BVMF": ".SA ^BVSP ^BVP",
    "XMEX": ".MX ^MXX ^IPC",
    "XBUE": ".BA ^MERV",
    "XSGO": ".SN ^IPSA",
    "XLON": ".L .IL ^FTSE ^UKX ^FTMC ^FTAS ^FTLC",
    "XDUB": ".IR ^ISEQ",
    "XETR": ".DE ^GDAXI ^DAX ^MDAXI ^SDAXI ^TECDAX ^STOXX50E ^SX5E ^STOXX ^SXXP",
    # Berlin, Hanover and Munich trade at the same hours as Frankfurt
    "XFRA": ".F .BE .HA .MU",
    "XDUS": ".DU",
    "XHAM": ".HM",
    "XSTU": ".SG",
    "XPAR": ".PA ^FCHI ^CAC ^N100 ^SBF120",
    "XAMS": ".AS ^AEX ^AMX",
    "XBRU": ".BR ^BFX",
    "XLIS": ".LS ^PSI20",
    "XMAD": ".MC ^IBEX",
    "XMIL": ".MI",
    "XSWX": ".SW ^SSMI ^SMI",
    "XWBO": ".VI ^ATX",
    "ASEX": ".AT",
    "XCSE": ".CO ^OMXC25 ^OMXC20",
    "XHEL": ".HE ^OMXH25",
    "XSTO": ".ST ^OMX ^OMXS30 ^OMXS",
    "XOSL": ".OL ^OSEAX",
    "XICE": ".IC",
    "XRIS": ".RG",
    "XTAL": ".TL",
    "XLIT": ".VS",
    "XWAR": ".WA ^WIG20 ^WIG",
    "XPRA": ".PR",
    "XBUD": ".BD ^BUX",
    "XIST": ".IS ^XU100",
    "XMOS": ".ME",
    "XTAE": ".TA ^TA35 ^TA125",
    "XJSE": ".JO ^J203 ^J200",
    "XSAU": ".SR ^TASI",
    "XTKS": ".T ^N225 ^NKX ^TOPX",
    "XHKG": ".HK ^HSI ^HSCE",
    "XSHG": ".SS .SZ ^SSEC ^SHC",
    "XTAI": ".TW .TWO ^TWII ^TWSE",
    "XKRX": ".KS .KQ ^KS11 ^KQ11 ^KS200 ^KOSPI",
    "XASX": ".AX ^AXJO ^AORD ^AOR",
    "XNZE": ".NZ ^NZ50",
    "XSES": ".SI ^STI",
    "XKLS": ".KL ^KLSE ^KLCI",
    "XIDX": ".JK ^JKSE ^JCI",
    "XPHS": ".PS",
    "XBKK": ".BK ^SET",
    "XBOM": ".BO .NS ^BSESN ^SNX ^NSEI ^NSEBANK",
}


def new_york_saves_daylight(day):
    noon = dt.datetime.combine(day, dt.time(12), ZoneInfo("America/New_York"))
    return bool(noon.dst())


# hours narrower than the package's: (why, hours of a day)
CORE = {
    "BVMF": (
        "closes with New York, at 16:55 or 17:55 (B3's notices of each March and November)",
        lambda day: "10:00-16:55" if new_york_saves_daylight(day) else "10:00-17:55",
    ),
    "XBKK": ("lunch break (SET, since 2024-03-25)", lambda day: "10:00-12:30+14:00-16:30"),
    "XIDX": (
        "lunch break, longer on Fridays (IDX, trading hours)",
        lambda day: "09:00-11:30+14:00-15:49" if day.weekday() == 4 else "09:00-12:00+13:30-15:49",
    ),
    "XKLS": (
        "lunch break, which the package leaves out; the closing auction follows (Bursa Malaysia, trading hours)",
        lambda day: "09:00-12:30+14:30-16:45",
    ),
    "XMOS": ("main session, before the closing auction (Moscow Exchange, trading hours)", lambda day: "10:00-18:30"),
    "XPHS": (
        "recess at noon, and an earlier end than in the package (PSE, trading hours)",
        lambda day: "09:30-12:00+13:00-14:45",
    ),
    "XSES": ("mid-day break, which the package leaves out (SGX, trading hours)", lambda day: "09:00-12:00+13:00-17:00"),
}

# the days on which the usual week changes; elsewhere, days that differ from it are exceptions
SEASONS = {
    # daylight saving in the US begins on the second Sunday of March and ends on the first of November
    "BVMF": ["2026-03-08", "2026-11-01", "2027-03-14", "2027-11-07", "2028-03-12", "2028-11-05"],
    # the package's own seasons
    "XSGO": ["2026-03-01", "2026-11-01", "2027-03-01", "2027-11-01", "2028-03-01", "2028-11-01"],
}

BY_HAND = """
# Egypt: 10:00 to 14:30, in Ramadan until 13:30 with a closing auction from 13:15 (EGX, notices on Ramadan)
market XCAI Africa/Cairo
for .CA
week Sun-Thu 10:00-13:15

# Kuwait: 09:00 to 13:00 since 2025-10-12; later and shorter in Ramadan (Boursa Kuwait, trading hours)
market XKUW Asia/Kuwait
for .KW
week Sun-Thu 10:00-12:30

# Abu Dhabi and Dubai: 10:00 to 15:00, in Ramadan until 14:00, with a closing auction before (DFM and ADX, trading hours)
market XDFM Asia/Dubai
for .AE
week Mon-Fri 10:00-13:45

# Qatar: continuous trading, before the closing auction (Qatar Stock Exchange, trading hours)
market DSMD Asia/Qatar
for .QA
week Sun-Thu 09:30-13:00

# Ho Chi Minh City and Hanoi: continuous trading, between the auctions (HOSE, trading hours)
market XSTC Asia/Ho_Chi_Minh
for .VN
week Mon-Fri 09:15-11:30+13:00-14:30

# Foreign exchange among banks: from Sunday 17:00 to Friday 17:00 in New York
market fx America/New_York
for fx
week Sun 17:00-24:00 Mon-Thu 00:00-24:00 Fri 00:00-17:00

# Precious metals: an hour's break each day (CME Globex, hours of metals)
market metals America/New_York
for metals
week Sun 18:00-24:00 Mon-Thu 00:00-17:00+18:00-24:00 Fri 00:00-17:00
"""

DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]

# hours longer than the package's: (why, the package's hours, the right ones)
LONGER = {
    "XFRA": (
        "shares trade into the evening; the package has the hours of bonds (Börse Frankfurt, trading hours)",
        ("09:00", "17:30"),
        ("08:00", "22:00"),
    ),
}


def spans(text):
    return [tuple(span.split("-")) for span in text.split("+")]


def written(hours):
    return "+".join(f"{start}-{end}" for start, end in hours)


def common(one, other):
    """The hours that two lists share; times of one day compare as text."""
    both = [(max(a, c), min(b, d)) for a, b in one for c, d in other]
    return tuple((start, end) for start, end in both if start < end)


def calendar_of(name):
    """The calendar, and the last day for which its holidays are known."""
    for last in (LAST, dt.date(2027, 12, 31), dt.date(2026, 12, 31)):
        try:
            return exchange_calendars.get_calendar(name, start=FIRST.isoformat(), end=last.isoformat()), last
        except ValueError as error:
            if "only recorded to the year" not in str(error):
                raise
    raise ValueError(f"{name} is not recorded at all")


def hours_by_day(name, calendar):
    """The hours of each day with a session, in the exchange's local time."""
    local = lambda time: time.tz_convert(calendar.tz).strftime("%H:%M")
    days = {}
    for stamp, row in calendar.schedule.iterrows():
        day = stamp.date()
        hours = [(local(row.open), local(row.close))]
        if row.break_start == row.break_start:  # without a break this is NaT, which does not equal itself
            hours = [(local(row.open), local(row.break_start)), (local(row.break_end), local(row.close))]
        hours = common(hours, spans(CORE[name][1](day))) if name in CORE else tuple(hours)
        if name in LONGER:
            _, usual, longer = LONGER[name]
            hours = tuple(longer if span == usual else span for span in hours)
        # drop the second half of a day that closes early
        days[day] = tuple((start, end) for start, end in hours if start < end)
    return days


def week_of(days, first, last):
    """The usual hours of each weekday from `first` until the day before `last`."""
    week = []
    for weekday in range(7):
        seen = Counter()
        day = first
        while day < last:
            if day.weekday() == weekday:
                seen[days.get(day, ())] += 1
            day += dt.timedelta(days=1)
        week.append(max(seen, key=seen.get) if seen else ())
    return week


def week_line(week):
    groups = []
    for number, hours in enumerate(week):
        if groups and groups[-1][2] == hours:
            groups[-1][1] = number
        else:
            groups.append([number, number, hours])
    words = []
    for first, last, hours in groups:
        if hours:
            words.append(f"{DAYS[first]}-{DAYS[last]}" if first < last else DAYS[first])
            words.append(written(hours))
    return " ".join(words)


def dated(keyword, dates):
    """Lines of one keyword, each with days of one year."""
    for year in sorted({day.year for day in dates}):
        line = " ".join(day.strftime("%m-%d") for day in sorted(dates) if day.year == year)
        yield from textwrap.wrap(f"{keyword} {year} {line}", 118, subsequent_indent=f"{keyword} {year} ")


def market(name):
    calendar, last = calendar_of(name)
    days = hours_by_day(name, calendar)
    for corrected in (CORE, LONGER):
        if name in corrected:
            yield f"# {corrected[name][0]}"
    yield f"market {name} {calendar.tz}"
    yield f"for {SYMBOLS[name]}"
    if last < LAST:
        yield f"until {last}"
    starts = [FIRST] + [dt.date.fromisoformat(day) for day in SEASONS.get(name, [])]
    exceptions = {}
    for start, end in zip(starts, starts[1:] + [last + dt.timedelta(days=1)]):
        week = week_of(days, start, end)
        yield f"week {week_line(week)}" if start == FIRST else f"week from {start} {week_line(week)}"
        day = start
        while day < end:
            if days.get(day, ()) != week[day.weekday()]:
                exceptions.setdefault(days.get(day, ()), []).append(day)
            day += dt.timedelta(days=1)
    for hours in sorted(exceptions):
        yield from dated(f"only {written(hours)}" if hours else "closed", exceptions[hours])
    yield ""


def main():
    version = importlib.metadata.version("exchange_calendars")
    print("# When markets are open, in their local time. Written by export.py.")
    print("#")
    print("# market NAME ZONE             begins a market; NAME is the exchange's MIC if it has one")
    print("# for SYMBOLS                  a suffix (.L), an index (^FTSE), US: listings there; fx, metals: pairs")
    print("# until DATE                   the last day whose holidays are known, if that is before the end of the file")
    print("# week [from DATE] DAYS HOURS  the usual week, until the next such line")
    print("# closed YEAR DAYS             no session at all")
    print("# only HOURS YEAR DAYS         other hours than the week's")
    print()
    print(f"package exchange_calendars {version} (Apache-2.0)")
    print(f"exported {dt.date.today()}")
    print(f"covers {FIRST} {LAST}")
    print()
    for name in SYMBOLS:
        print("\n".join(market(name)))
    print(BY_HAND.strip())


main()
