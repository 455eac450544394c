"""Lists: pages by token and by number, and tokens that are valid only for their owner."""

from datetime import datetime

import pytest

from shared.auth.identity import Caller
from shared.errors import InvalidPageToken
from shared.runs import views
from shared.runs.ports import Cursor, RunFilter
from shared.runs.schemas import CreateRunRequest, ListQuery, RunList
from shared.runs.states import RunState
from shared.runs.submission import RunSubmission
from shared.stores.sqlite import SqliteDatabase, SqliteRunStore
from tests.support.builders import ADA, ANSWERABLE, EVE, NO_RUN, START
from tests.support.fakes import FakeBatch, TestClock

KEY = "a secret of this deployment"


@pytest.fixture
async def store(sqlite: SqliteDatabase, batch: FakeBatch, clock: TestClock) -> SqliteRunStore:
    """Create seven runs of Ada's, a minute apart."""
    store = SqliteRunStore(sqlite)
    for number in range(7):
        request = CreateRunRequest(query=f"What is question number {number}?")
        await RunSubmission(store, batch, clock).create(request, ANSWERABLE, ADA)
        clock.move(minutes=1)
    return store


async def ask(store: SqliteRunStore, owner: Caller = ADA, /, **query: object) -> RunList:
    return await views.list_runs(ListQuery.model_validate(query), owner, token_key=KEY, store=store)


async def test_tokens_lead_through_all_runs_once_newest_first(store: SqliteRunStore) -> None:
    seen: list[datetime] = []
    page = await ask(store, page_size=3)
    numbers = [page.page]
    while True:
        seen += [run.created_at for run in page.runs]
        assert page.total == 7
        if page.next_page_token is None:
            break
        page = await ask(store, page_size=3, page_token=page.next_page_token)
        numbers.append(page.page)
    assert len(seen) == 7
    assert seen == sorted(seen, reverse=True)
    assert numbers == [1, 2, 3]


async def test_tokens_leave_out_no_run_that_was_created_in_the_same_moment(
    sqlite: SqliteDatabase, batch: FakeBatch, clock: TestClock
) -> None:
    store, requests = SqliteRunStore(sqlite), [CreateRunRequest(query=f"What is question {n}?") for n in range(4)]
    made = {(await RunSubmission(store, batch, clock).create(each, ANSWERABLE, ADA)).run_id for each in requests}
    first = await ask(store, page_size=2)
    second = await ask(store, page_size=2, page_token=first.next_page_token)
    assert {run.run_id for page in (first, second) for run in page.runs} == made


async def test_a_page_by_number_is_the_page_by_token(store: SqliteRunStore) -> None:
    first = await ask(store, page_size=3)
    assert await ask(store, page_size=3, page=2) == await ask(store, page_size=3, page_token=first.next_page_token)


async def test_a_full_last_page_has_no_next(store: SqliteRunStore) -> None:
    assert (await ask(store, page_size=7)).next_page_token is None


async def test_the_last_page_has_no_next_although_runs_are_created_meanwhile(
    store: SqliteRunStore, batch: FakeBatch, clock: TestClock
) -> None:
    """Regression: the count told of a next page, and a run created after the first page let the last one offer an empty page."""
    first = await ask(store, page_size=4)
    await RunSubmission(store, batch, clock).create(CreateRunRequest(query="What is new?"), ANSWERABLE, ADA)
    last = await ask(store, page_size=3, page_token=first.next_page_token)
    assert (len(last.runs), last.total, last.next_page_token) == (3, 8, None)


async def test_no_run_is_left_out_because_others_are_deleted_meanwhile(store: SqliteRunStore) -> None:
    """Regression: after a deletion, the count ended the list one page too early."""
    first = await ask(store, page_size=3)
    await store.delete(first.runs[0].run_id)
    second = await ask(store, page_size=3, page_token=first.next_page_token)
    third = await ask(store, page_size=3, page_token=second.next_page_token)
    assert len({run.run_id for page in (first, second, third) for run in page.runs}) == 7
    assert third.next_page_token is None


async def test_a_page_behind_the_end_is_empty(store: SqliteRunStore) -> None:
    page = await ask(store, page=9)
    assert (page.runs, page.total, page.next_page_token) == ([], 7, None)


async def test_another_user_sees_nothing_and_cannot_use_the_token(store: SqliteRunStore) -> None:
    token = (await ask(store, page_size=3)).next_page_token
    assert (await ask(store, EVE)).total == 0
    with pytest.raises(InvalidPageToken):
        await ask(store, EVE, page_token=token)


async def test_a_token_follows_the_account_and_not_its_e_mail_address(store: SqliteRunStore) -> None:
    token = (await ask(store, page_size=3)).next_page_token
    moved, successor = ADA._replace(email="ada.lovelace@example.com"), ADA._replace(subject="accounts.google.com:1003")
    assert await ask(store, moved, page_size=3, page_token=token) == await ask(store, page_size=3, page=2)
    with pytest.raises(InvalidPageToken):
        await ask(store, successor, page_size=3, page_token=token)


async def test_a_token_holds_for_its_filter_only(store: SqliteRunStore) -> None:
    token = (await ask(store, page_size=3, status=[RunState.PENDING])).next_page_token
    assert (await ask(store, page_size=3, status=["pending"], page_token=token)).page == 2
    with pytest.raises(InvalidPageToken):
        await ask(store, page_size=3, page_token=token)


@pytest.mark.parametrize("name", ["created_after", "created_before", "label"])
async def test_a_list_and_its_token_keep_to_times_and_label(
    store: SqliteRunStore, batch: FakeBatch, clock: TestClock, name: str
) -> None:
    """Regression: no test noticed a filter that is not applied, or a token that any filter accepts."""
    middle = clock.now
    for label in ("b", "a", "a"):
        request = CreateRunRequest(query="How would NK cells respond to IL-15?", label=label)
        await RunSubmission(store, batch, clock).create(request, ANSWERABLE, ADA)
        clock.move(minutes=1)
    value, other, total = {
        "created_after": (middle, START, 3),
        "created_before": (middle, clock.now, 7),
        "label": ("a", "b", 2),
    }[name]
    page = await ask(store, page_size=1, **{name: value})
    assert page.total == total
    assert (await ask(store, page_size=1, page_token=page.next_page_token, **{name: value})).page == 2
    for wrong in ({name: other}, {}):
        with pytest.raises(InvalidPageToken):
            await ask(store, page_size=1, page_token=page.next_page_token, **wrong)


async def test_a_token_goes_on_after_the_last_run_although_newer_ones_came(
    store: SqliteRunStore, batch: FakeBatch, clock: TestClock
) -> None:
    """Regression: no test noticed a token that only counts, so that a new run shows the last one again."""
    first, second = await ask(store, page_size=3), await ask(store, page_size=3, page=2)
    await RunSubmission(store, batch, clock).create(
        CreateRunRequest(query="How would NK cells respond to IL-15?"), ANSWERABLE, ADA
    )
    assert (await ask(store, page_size=3, page_token=first.next_page_token)).runs == second.runs


def test_tokens_of_any_length_and_last_letter_are_read() -> None:
    """Regression: no test noticed a token that loses its last letter if this is an X."""
    wanted = RunFilter(ADA.owners)
    for page in (10**power + number for power in range(4) for number in range(100)):
        place = views.Place(Cursor(START, NO_RUN), page)
        assert views._open(views._seal(place, wanted, KEY), wanted, KEY) == place


async def test_a_token_holds_however_often_and_in_which_order_its_states_are_named(store: SqliteRunStore) -> None:
    """Regression: no test noticed a client that repeats a status and gets 400 for its own page token."""
    token = (await ask(store, page_size=3, status=["pending", "running", "pending"])).next_page_token
    for same in (["pending", "running"], ["running", "pending"], ["running", "running", "pending"]):
        assert (await ask(store, page_size=3, status=same, page_token=token)).page == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda token: token[:-2],
        lambda token: f"{token[:9]}!!!!{token[9:]}",
        lambda token: ("B" if token[0] == "A" else "A") + token[1:],
        lambda _: "",
        lambda _: "§",
    ],
)
async def test_a_damaged_token_is_refused(store: SqliteRunStore, damage: object) -> None:
    assert callable(damage)
    token = (await ask(store, page_size=3)).next_page_token
    with pytest.raises(InvalidPageToken):
        await ask(store, page_token=damage(token))
