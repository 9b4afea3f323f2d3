/* What the worker does now, asked for again and again. */

const EVERY_MS = 2000;
const RUNS_EVERY_MS = 4000;
const PARTITIONS_SHOWN = 12;
const page = {status: null, lost_since: null, last_ms: 0, wants_token: false, all_partitions: false, most_waiting: 0, told: '', told_until: 0};

function tell(text) {
  page.told = text;
  page.told_until = Date.now() + 8000;
  show_state();
}

function last_minute(name) {
  const {step_ms, [name]: values} = page.status.history;
  return values.slice(-Math.round(60000 / step_ms)).reduce((sum, value) => sum + value, 0);
}

/* ---- the sentence ---- */

function state_words() {
  const status = page.status;
  if (page.wants_token) return ['warn', 'This worker tells nothing without its admin token.'];
  if (page.lost_since !== null) {
    return ['bad', `Connection to the worker lost at ${clock(page.lost_since)}.` +
      (status ? ` What is shown below is from ${clock(page.last_ms)}.` : '')];
  }
  if (page.told && Date.now() < page.told_until) return ['good', page.told];
  if (status === null) return ['wait', 'Asking the worker…'];
  if (status.phase === 'draining') return ['warn', `Draining: it begins nothing, and ends when what is in flight has come home.`];
  if (!status.ready) return ['bad', `Not ready: ${status.not_ready || 'it does not say why'}.`];
  const paused = status.partitions.filter(partition => partition.paused.includes('limit')).length;
  if (paused > 0) return ['warn', 'Ready, and at its limit of runs in flight: it takes more as runs end.'];
  if (status.in_flight === 0 && !status.waiting) return ['good', 'Ready: nothing is in flight, and nothing waits.'];
  return ['good', 'Ready: it takes what comes.'];
}

function show_state() {
  const [kind, text] = state_words();
  $('state').dataset.kind = kind;
  say($('state'), text);
  document.body.classList.toggle('stale', page.lost_since !== null || page.wants_token);
  $('token-form').hidden = !page.wants_token;
  const status = page.status;
  const flight = status ? `${count(status.in_flight)} in flight – ` : '';
  document.title = (page.lost_since !== null ? 'lost – ' : '') + flight + 'rxp-worker' + (status ? ' ' + status.worker_id : '');
}

/* ---- tiles ---- */

function show_tiles(status) {
  const share = status.in_flight / Math.max(1, status.limits.max_in_flight);
  say($('in-flight'), count(status.in_flight));
  say($('in-flight-of'), `of ${count(status.limits.max_in_flight)}; ${bytes(status.in_flight_bytes)} of ` +
    bytes(status.limits.max_in_flight_bytes));
  const bar = $('in-flight-bar').firstChild || $('in-flight-bar').appendChild(make('span'));
  bar.style.width = Math.min(100, share * 100) + '%';
  $('in-flight-bar').classList.toggle('full', share >= 0.95);
  say($('waiting'), count(status.waiting));
  const unknown = status.partitions.filter(partition => partition.waiting === null).length;
  say($('waiting-of'), unknown > 0 ? `of ${count(unknown)} partitions not known yet` : 'and not taken, in its partitions');
  const [succeeded, failed] = [last_minute('succeeded'), last_minute('failed')];
  const ended = status.runs;
  const not_succeeded = ended.failed + ended.timed_out + ended.cancelled + ended.rejected;
  say($('succeeded'), count(succeeded));
  say($('succeeded-of'), `${rate(succeeded / 60)}/s; ${count(ended.succeeded)} since it started`);
  say($('failed'), count(failed));
  $('failed').classList.toggle('some', failed > 0);
  say($('failed-of'), `${count(not_succeeded)} since it started`);
  show_busy(status.loops);
}

function show_busy(loops) {
  const known = loops.filter(loop => loop.busy !== null);
  const most = Math.max(0, ...known.map(loop => loop.busy));
  say($('busy'), known.length ? whole.format(most * 100) + ' %' : '–');
  say($('busy-of'), loops.length === 1 ? 'one thread' : `the busiest of ${loops.length} threads`);
  keep_rows($('busy-bars'), loops, (_, at) => at, () => {
    const fill = make('i');
    const bar = make('span', {}, fill);
    bar.renew = loop => { fill.style.width = (loop.busy || 0) * 100 + '%'; };
    return bar;
  });
}

/* ---- tables ---- */

const PAUSES = {
  limit: ['in-flight limit', 'max-in-flight or max-in-flight-bytes is reached, or it drains'],
  window: ['window full', 'the map of what is done would not fit a commit; it goes on when the oldest run ends'],
  ordering: ['ordering', 'the lanes hold what they may'],
  crowd: ['crowded origin', 'too many wait to be kicked off at one origin'],
};

function partition_state(cell, partition) {
  const tags = partition.paused.map(name => {
    const [title, why] = PAUSES[name] || [name, ''];
    return make('span', {class: 'tag warn', title: why}, 'paused: ' + title);
  });
  if (partition.state !== 'running') tags.unshift(make('span', {class: 'tag'}, partition.state));
  cell.replaceChildren(...(tags.length ? tags : ['running']));
}

function show_partitions(status) {
  const all = status.partitions;
  page.most_waiting = Math.max(0, ...all.map(partition => partition.waiting || 0));
  const shown = page.all_partitions ? all : all.slice(0, PARTITIONS_SHOWN);
  keep_rows($('partitions').querySelector('tbody'), shown, partition => partition.topic + '/' + partition.partition,
    () => make_row([
      ['', '', (cell, partition) => say(cell, partition.topic + '/' + partition.partition)],
      ['', '', (cell, partition) => cell.replaceChildren(draw_window(partition, page.most_waiting))],
      ['n', 'in flight', (cell, partition) => say(cell, count(partition.in_flight))],
      ['n', 'waiting', (cell, partition) => say(cell, count(partition.waiting))],
      ['n', 'lag', (cell, partition) => say(cell, count(partition.lag))],
      ['n', 'frontier age', (cell, partition) => {
        say(cell, partition.frontier_age_ms > 0 ? span(partition.frontier_age_ms) : '–');
        cell.classList.toggle('wrong', partition.frontier_age_ms > page.status.limits.max_run_seconds * 1000);
      }],
      ['bare', 'state', partition_state],
    ]));
  $('partitions').hidden = $('partitions-legend').hidden = all.length === 0;
  $('partitions-none').hidden = all.length > 0;
  say($('partitions-none'), status.ready ? 'None is assigned to this worker: others of its group have them all.' : 'None yet.');
  $('partitions-more').hidden = all.length <= PARTITIONS_SHOWN;
  say($('partitions-more'), (page.all_partitions ? `Show ${PARTITIONS_SHOWN}` : `Show all ${all.length}`) +
    (status.partitions_left_out ? ` (${count(status.partitions_left_out)} more are in /metrics alone)` : ''));
}

function show_origins(origins) {
  $('origins-section').hidden = origins.length === 0;
  keep_rows($('origins').querySelector('tbody'), origins, origin => origin.origin, () => make_row([
    ['', '', (cell, origin) => cell.replaceChildren(make('bdi', {}, origin.origin))],
    ['bare', 'breaker', (cell, origin) => cell.replaceChildren(origin.breaker === 'open' ?
      make('span', {class: 'tag bad', title: 'it does not answer: one kickoff in a while tries'}, 'open') : 'closed')],
    ['n', 'waiting', (cell, origin) => say(cell, count(origin.queued))],
  ]));
}

function show_failures(status) {
  const rows = [...status.failures].sort((a, b) => b.last_ms - a.last_ms);
  $('failures').hidden = rows.length === 0;
  $('failures-none').hidden = rows.length > 0;
  keep_rows($('failures').querySelector('tbody'), rows, row => [row.status, row.code, row.origin, row.runtime_name].join('\n'),
    () => make_row([
      ['', '', (cell, row) => cell.replaceChildren(make('span', {class: 'word'}, row.code),
        row.status === row.code ? '' : make('small', {}, row.status))],
      ['n', 'count', (cell, row) => say(cell, count(row.count))],
      ['bare', 'where', (cell, row) => cell.replaceChildren(make('bdi', {}, row.origin || '–'),
        make('small', {}, make('bdi', {}, row.runtime_name || '')))],
      ['n', 'last', (cell, row) => {
        say(cell, span(status_now() - row.last_ms) + ' ago');
        cell.title = `first ${new Date(row.first_ms).toISOString()}, last ${new Date(row.last_ms).toISOString()}`;
      }],
      ['wide', '', (cell, row) => cell.replaceChildren(make('bdi', {class: 'clip', title: row.summary}, row.summary),
        make('small', {}, make('bdi', {}, row.invocation_id || '')))],
    ]));
}

const status_now = () => page.status.now_ms;

/* ---- asking ---- */

function show(status) {
  $('numbers').hidden = false; /* first: the plot takes the room that it has */
  say($('worker-id'), status.worker_id);
  say($('about'), `group ${status.group_id}, up ${span(status.now_ms - status.started_at_ms)}`);
  $('trouble').hidden = !status.trouble || (status.not_ready || '').includes(status.trouble); /* said already */
  say($('trouble'), status.trouble ? 'Kafka: ' + status.trouble : '');
  show_tiles(status);
  draw_plot(status.history);
  draw_phases(status.phases);
  show_partitions(status);
  show_origins(status.origins);
  show_failures(status);
  const {results, kickoffs, checkpoints} = status.guarantees;
  say($('footer'), `rxp-worker ${status.version} · results ${results}, kickoffs ${kickoffs}, checkpoints ` +
    (checkpoints ? 'in ' + checkpoints : 'off') + ` · a run may take ${span(status.limits.max_run_seconds * 1000)}`);
}

async function renew() {
  const answer = await ask('GET', 'status');
  if (answer.code === 200 && answer.body.history) {
    const first = page.status === null || page.wants_token;
    Object.assign(page, {status: answer.body, lost_since: null, last_ms: Date.now(), wants_token: false});
    show_state();
    show(answer.body);
    if (first || $('oldest').hidden && answer.body.in_flight > 0) renew_runs();
  } else if (answer.code === 401 || answer.code === 403) {
    say($('token-why'), token.read() || answer.code === 403 ? answer.body.error || 'It was not accepted.' :
      'It can be reached from other machines, and so shows its runs to those alone who have the token.');
    page.lost_since = null;
    page.wants_token = true;
    show_state();
  } else {
    page.lost_since = page.lost_since || Date.now();
    show_state();
  }
}

async function renew_for_ever() {
  for (;;) {
    if (!document.hidden && !(page.wants_token && !token.read())) await renew();
    await new Promise(wake => {
      const timer = setTimeout(wake, EVERY_MS);
      page.wake = () => {
        clearTimeout(timer);
        wake();
      };
    });
  }
}

/* ---- the theme ---- */

const THEMES = ['auto', 'light', 'dark'];

function set_theme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  say($('theme'), 'Theme: ' + theme);
  localStorage.setItem('rxp-theme', theme);
}

function start() {
  const kept = localStorage.getItem('rxp-theme');
  set_theme(THEMES.includes(kept) ? kept : 'auto');
  $('theme').addEventListener('click', () =>
    set_theme(THEMES[(THEMES.indexOf(localStorage.getItem('rxp-theme')) + 1) % THEMES.length]));
  $('token-form').addEventListener('submit', event => {
    event.preventDefault();
    const text = $('token').value.trim();
    if (!can_be_token(text)) return;
    token.keep(text);
    $('token').value = '';
    renew();
  });
  $('partitions-more').addEventListener('click', () => {
    page.all_partitions = !page.all_partitions;
    show_partitions(page.status);
  });
  document.addEventListener('visibilitychange', () => page.wake && page.wake());
  keep_meaning();
  watch_plot();
  watch_runs();
  watch_cancel();
  setInterval(() => page.status !== null && !page.wants_token && page.lost_since === null && renew_runs(), RUNS_EVERY_MS);
  renew_for_ever();
}

start();
