/* The oldest runs, the look-up, and the cancel. */

const RUNS_SHOWN = 20;
const list = {after: '', next: null, busy: false};
const found = {id: null};
const cancelling = {id: null, opener: null};

const RUN_HEADS = [['Invocation', ''], ['Phase', ''], ['Backend says', ''], ['Age', 'n'], ['Next poll', 'n'], ['Polls', 'n'],
  ['Time left', 'n'], ['Origin, source', ''], ['', '']];

const in_time = (ms, now_ms) => ms === null ? '' : ms <= now_ms ? 'now' : 'in ' + span(ms - now_ms);

function run_cells(view) {
  return [
    ['', '', (cell, run) => {
      cell.replaceChildren(make('bdi', {class: 'clip', title: run.invocation_id || ''}, run.invocation_id || '(not read yet)'),
        make('small', {}, make('bdi', {}, run.runtime_name || '')));
    }],
    ['bare', 'phase', (cell, run) => say(cell, run.phase + (run.resumed ? ' (resumed)' : ''))],
    ['bare', 'backend says', (cell, run) => run.state === null ? cell.replaceChildren() :
      cell.replaceChildren(make('bdi', {class: 'clip', title: run.state}, run.state))],
    ['n', 'age', (cell, run) => say(cell, run.started_at_ms === null ? '' : span(view.now_ms - run.started_at_ms))],
    ['n', 'next', (cell, run) => say(cell, in_time(run.next_ms, view.now_ms))],
    ['n', 'polls', (cell, run) => say(cell, count(run.polls))],
    ['n', 'time left', (cell, run) => say(cell, run.deadline_ms === null ? '' : span(run.deadline_ms - view.now_ms))],
    ['wide', '', (cell, run) => {
      cell.replaceChildren(make('bdi', {}, run.origin || ''),
        make('small', {}, `${run.source.topic || ''}/${run.source.partition}/${run.source.offset}`));
    }],
    ['act', '', (cell, run) => {
      if (cell.firstChild || run.invocation_id === null || run.id_is_cut) return;
      const button = make('button', {type: 'button', 'aria-label': 'Cancel ' + run.invocation_id}, 'Cancel…');
      button.addEventListener('click', () => open_cancel(run.invocation_id, button));
      cell.append(button);
    }],
  ];
}

const run_key = run => [run.source.topic, run.source.partition, run.source.offset, run.invocation_id].join('/');

function show_runs(table, answer) {
  table.view = table.view || {};
  table.view.now_ms = answer.now_ms;
  const head = table.querySelector('thead');
  if (!head.firstChild) {
    const row = make('tr', {});
    for (const [title, type] of RUN_HEADS) {
      row.append(title ? make('th', type ? {scope: 'col', class: type} : {scope: 'col'}, title) : make('td', {}));
    }
    head.append(row);
    keep_meaning();
  }
  keep_rows(table.querySelector('tbody'), answer.runs, run_key, () => make_row(run_cells(table.view)));
}

function runs_path() {
  const words = new URLSearchParams({limit: RUNS_SHOWN});
  const wanted = {phase: $('filter-phase').value, older_than: $('filter-age').value, runtime_name: $('filter-name').value.trim(),
    after: list.after};
  for (const name in wanted) if (wanted[name]) words.set(name, wanted[name]);
  return 'runs?' + words;
}

/* Again and again while the page is looked at. */
async function renew_runs() {
  if (list.busy || document.hidden || !$('cancel').hidden && $('cancel').open) return;
  list.busy = true;
  const path = runs_path();
  const answer = await ask('GET', path);
  list.busy = false;
  if (path !== runs_path()) return renew_runs();
  if (answer.code === 429 || answer.code === 0) return; /* somebody else asks; /status tells of a lost connection */
  if (answer.code !== 200) {
    say($('matching'), '');
    say($('oldest-none'), answer.body.error || 'the worker answered ' + answer.code);
    $('oldest-none').hidden = false;
    return;
  }
  const {runs: rows, matching, next, complete} = answer.body;
  show_runs($('oldest'), answer.body);
  list.next = next;
  $('oldest').hidden = rows.length === 0;
  $('oldest-none').hidden = rows.length > 0;
  const filtered = $('filter-phase').value || $('filter-age').value || $('filter-name').value;
  say($('oldest-none'), list.after ? 'No more runs.' : filtered ? 'No runs like that are under way.' : 'No runs are under way.');
  say($('matching'), rows.length === 0 ? '' : `${count(rows.length)} of ${runs(Math.max(matching, rows.length))}` +
    (list.after ? ' from there on' : '') + (complete ? '' : '; not all loops have answered in time'));
  $('first').hidden = !list.after;
  $('next').hidden = !next;
}

async function look_up(id) {
  found.id = id;
  const answer = await ask('GET', 'runs/' + encodeURIComponent(id));
  if (found.id !== id) return;
  $('found').hidden = false;
  const there = answer.code === 200;
  say($('found-why'), there ? `${runs(answer.body.runs.length)} of this id` :
    answer.body.error || 'the worker did not answer');
  $('found-runs').hidden = !there;
  if (there) show_runs($('found-runs'), answer.body);
}

/* "." and ".." would be taken for steps in a path, escaped or not. */
const can_be_asked_for = id => id !== '.' && id !== '..';

function watch_runs() {
  for (const phase of Object.keys(PHASES)) $('filter-phase').append(make('option', {value: phase}, phase));
  const again = after => {
    list.after = after;
    renew_runs();
  };
  $('filter').addEventListener('submit', event => event.preventDefault());
  $('filter').addEventListener('input', () => again(''));
  $('first').addEventListener('click', () => again(''));
  $('next').addEventListener('click', () => again(list.next || ''));
  $('find-form').addEventListener('submit', event => {
    event.preventDefault();
    const id = $('find').value.trim();
    if (id && can_be_asked_for(id)) return look_up(id);
    if (!id) return;
    found.id = null;
    $('found').hidden = false;
    $('found-runs').hidden = true;
    say($('found-why'), `'${id}' cannot be asked for by its id: browsers take it for a step in a path. It may be in the list below.`);
  });
  $('found-close').addEventListener('click', () => {
    found.id = null;
    $('found').hidden = true;
    $('find').focus();
  });
}

/* ---- cancel ---- */

function open_cancel(id, opener) {
  cancelling.id = id;
  cancelling.opener = opener;
  const possible = page.status !== null && page.status.can_cancel;
  say($('cancel-id'), id);
  say($('cancel-why'), possible ? '' : 'This worker was started without an admin token, and cancels nothing without one: start it ' +
    'with --admin-token-file, or write a cancel to its control topic (rxp-worker cancel).');
  $('cancel-what').hidden = !possible;
  $('cancel-token-part').hidden = !possible || token.read() !== '';
  $('cancel-token').value = '';
  $('cancel-yes').hidden = !possible;
  $('cancel').showModal();
  (token.read() || !possible ? $('cancel-no') : $('cancel-token')).focus();
}

function close_cancel() {
  $('cancel').close();
  cancelling.id = null;
  if (cancelling.opener && cancelling.opener.isConnected) cancelling.opener.focus();
}

async function send_cancel() {
  const typed = $('cancel-token').value.trim();
  if (!$('cancel-token-part').hidden) {
    if (!can_be_token(typed)) {
      say($('cancel-why'), 'Cancelling needs the admin token of this worker.');
      $('cancel-token').focus();
      return;
    }
    token.keep(typed);
  }
  const id = cancelling.id;
  $('cancel-yes').disabled = true;
  const answer = await ask('POST', 'runs/' + encodeURIComponent(id) + '/cancel');
  $('cancel-yes').disabled = false;
  if (answer.code === 202) {
    close_cancel();
    tell(`Cancel of ${id} is under way: ${runs(answer.body.runs)}.`);
    renew_runs();
    if (found.id === id) look_up(id);
    return;
  }
  if (answer.code === 401 || answer.code === 403) {
    token.drop();
    $('cancel-token-part').hidden = false;
    $('cancel-token').focus();
  }
  say($('cancel-why'), answer.body.error || 'The worker did not answer: it is not known whether the cancel came through.');
}

function watch_cancel() {
  $('cancel-form').addEventListener('submit', event => {
    event.preventDefault();
    send_cancel();
  });
  $('cancel-no').addEventListener('click', close_cancel);
  $('cancel').addEventListener('cancel', event => {
    event.preventDefault();
    close_cancel();
  });
}
