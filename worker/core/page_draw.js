/* Pictures: throughput, phases, and the windows of partitions. */

const PLOT = {width: 760, height: 210, left: 42, right: 10, top: 22, bottom: 24}; /* as wide as there is room */
const SERIES = [['taken', 'taken'], ['succeeded', 'succeeded'], ['failed', 'not succeeded']];
const MINUTES = 15;

const plot = {history: null, chosen: null};

function nice_top(most) {
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map(step => step * power).find(top => top >= most);
}

/* Steps are counted from the right, where now is: 0 is the last. */
function step_x(back) {
  const steps = MINUTES * 60000 / plot.history.step_ms;
  return PLOT.width - PLOT.right - back / (steps - 1) * (PLOT.width - PLOT.left - PLOT.right);
}

function plot_values(back) {
  const history = plot.history;
  const at = history.taken.length - 1 - back;
  return SERIES.map(([name]) => at < 0 ? null : history[name][at] * 1000 / history.step_ms);
}

function plot_y(value, top) {
  return PLOT.height - PLOT.bottom - value / top * (PLOT.height - PLOT.top - PLOT.bottom);
}

function draw_axes(svg, top) {
  for (const part of [0, 0.5, 1]) {
    const y = plot_y(part * top, top);
    svg.append(draw('line', {class: 'grid', x1: PLOT.left, x2: PLOT.width - PLOT.right, y1: y, y2: y}),
      draw('text', {x: PLOT.left - 6, y: y + 4, 'text-anchor': 'end'}, rate(part * top)));
  }
  svg.append(draw('text', {x: 4, y: 11}, 'runs a second'));
  for (const minute of [15, 10, 5, 0]) {
    const x = step_x(minute === 15 ? MINUTES * 60000 / plot.history.step_ms - 1 : minute * 60000 / plot.history.step_ms);
    svg.append(draw('text', {x, y: PLOT.height - 6, 'text-anchor': minute === 15 ? 'start' : minute ? 'middle' : 'end'},
      minute ? minute + ' min' + (PLOT.width > 500 ? ' ago' : '') : 'now'));
  }
}

function draw_plot(history) {
  plot.history = history;
  PLOT.width = Math.min(1400, Math.max(260, $('plot').clientWidth || 760));
  const n = history.taken.length;
  const top = nice_top(Math.max(...SERIES.map(([name]) => Math.max(0, ...history[name]))) * 1000 / history.step_ms);
  const svg = draw('svg', {viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, 'aria-hidden': 'true'});
  draw_axes(svg, top);
  for (const [name] of SERIES) {
    const points = history[name].map((value, at) =>
      step_x(n - 1 - at).toFixed(1) + ',' + plot_y(value * 1000 / history.step_ms, top).toFixed(1));
    svg.append(draw('polyline', {class: 's ' + name, points: points.join(' ')}));
  }
  if (plot.chosen !== null && plot.chosen < n) {
    const x = step_x(plot.chosen);
    svg.append(draw('line', {class: 'cursor', x1: x, x2: x, y1: PLOT.top, y2: PLOT.height - PLOT.bottom}));
    plot_values(plot.chosen).forEach((value, at) =>
      svg.append(draw('circle', {class: SERIES[at][0], cx: x, cy: plot_y(value, top), r: 3})));
  }
  $('plot').replaceChildren(svg);
  tell_plot(n);
}

function tell_plot(n) {
  const back = plot.chosen !== null && plot.chosen < n ? plot.chosen : 0;
  const when = plot.history.until_ms - back * plot.history.step_ms;
  const values = plot_values(back);
  const words = [make('span', {class: 'muted'}, n === 0 ? 'nothing is known yet' :
    `${clock(when - plot.history.step_ms)} to ${clock(when)}`)];
  if (n > 0) {
    SERIES.forEach(([name, title], at) =>
      words.push(make('span', {}, make('i', {class: name}), `${rate(values[at])} ${title}/s`)));
  }
  $('plot-values').replaceChildren(...words);
}

function choose_step(back) {
  if (plot.history === null) return;
  plot.chosen = back === null ? null : Math.min(Math.max(0, back), Math.max(0, plot.history.taken.length - 1));
  draw_plot(plot.history);
}

function watch_plot() {
  const node = $('plot');
  node.addEventListener('pointermove', event => {
    const box = node.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * PLOT.width;
    if (plot.history === null) return;
    const steps = MINUTES * 60000 / plot.history.step_ms;
    choose_step(Math.round((PLOT.width - PLOT.right - x) / (PLOT.width - PLOT.left - PLOT.right) * (steps - 1)));
  });
  window.addEventListener('resize', () => plot.history !== null && draw_plot(plot.history));
  node.addEventListener('pointerleave', () => choose_step(null));
  node.addEventListener('blur', () => choose_step(null));
  node.addEventListener('keydown', event => {
    const move = {ArrowLeft: 1, ArrowRight: -1, PageUp: 12, PageDown: -12}[event.key];
    if (move === undefined && event.key !== 'Home' && event.key !== 'End') return;
    event.preventDefault();
    choose_step(event.key === 'Home' ? Infinity : event.key === 'End' ? 0 : (plot.chosen || 0) + move);
  });
}

/* ---- phases ---- */

const PHASES = {
  queued: 'for a loop, a place or rate at its origin, a permit',
  prepare: 'its prepare call is under way',
  kickoff: 'its kickoff is under way',
  wait: 'accepted; between two polls',
  poll: 'accepted; a poll is under way',
  fetch: 'ended; its result is fetched',
  publish: 'its result is on its way to the broker',
};

function draw_phases(phases) {
  const names = Object.keys(PHASES);
  const all = names.reduce((sum, name) => sum + Math.max(0, phases[name]), 0);
  const svg = draw('svg', {viewBox: '0 0 1000 18', preserveAspectRatio: 'none', role: 'img', 'aria-label':
    names.map(name => `${name} ${count(phases[name])}`).join(', ')});
  let x = 0;
  names.forEach((name, at) => {
    const width = all > 0 ? Math.max(0, phases[name]) / all * 1000 : 0;
    if (width > 0) svg.append(draw('rect', {class: 'p' + at, x, y: 0, width, height: 18}, draw('title', {}, name)));
    x += width;
  });
  $('phases-bar').replaceChildren(svg);
  keep_rows($('phases'), names.map(name => [name, phases[name]]), ([name]) => name, ([name]) => {
    const number = make('b');
    const row = make('li', {}, make('i', {class: 'p' + names.indexOf(name)}), make('span', {}, name),
      make('span', {class: 'what', title: PHASES[name]}, PHASES[name]), number);
    row.renew = ([, runs_there]) => {
      say(number, count(runs_there));
      row.classList.toggle('none', runs_there <= 0);
    };
    return row;
  });
}

/* ---- windows ---- */

const WINDOW = {width: 600, height: 16, room: 440}; /* what waits beyond has the rest */

/* Done and in flight from the frontier to the last that was taken, in equal parts; then what waits. */
function draw_window(partition, most_waiting) {
  const svg = draw('svg', {class: 'window', viewBox: `0 0 ${WINDOW.width} ${WINDOW.height}`, preserveAspectRatio: 'none', role: 'img'});
  const words = [];
  svg.append(draw('rect', {class: 'track', x: 0, y: 6, width: WINDOW.room, height: 4}));
  if (partition.span > 0) {
    words.push(`from frontier ${count(partition.frontier)}, ${count(partition.span)} offsets: ` +
      `${count(partition.in_flight)} in flight, ${count(partition.done_beyond)} done`);
    const cells = partition.cells || [];
    const width = WINDOW.room / Math.max(1, cells.length);
    if (cells.length > 0) svg.append(draw('rect', {class: 'done', x: 0, y: 2, width: WINDOW.room, height: 12}));
    cells.forEach((cell, at) => {
      if (cell > 0) svg.append(draw('rect', {class: 'flight', x: (at * width).toFixed(2), y: 2, width: (width + 0.3).toFixed(2),
        height: 12, 'fill-opacity': (0.15 + 0.85 * cell / 255).toFixed(2)}));
    });
    svg.append(draw('rect', {class: 'front', x: 0, y: 0, width: 3, height: WINDOW.height}));
  } else {
    words.push('nothing in flight, all that was taken is done');
  }
  if (partition.waiting > 0) {
    const width = 12 + (WINDOW.width - WINDOW.room - 20) * partition.waiting / Math.max(1, most_waiting);
    svg.append(draw('rect', {class: 'beyond', x: WINDOW.room + 6, y: 2.5, width: width.toFixed(1), height: 11}));
    words.push(`${count(partition.waiting)} wait beyond`);
  }
  svg.setAttribute('aria-label', words.join('; '));
  svg.append(draw('title', {}, words.join('; ')));
  return svg;
}
