'use strict';
/* What all parts of the page share. Whatever comes from the worker becomes text, never markup: ids, states and sentences are
 * chosen by producers and backends. */

const $ = id => document.getElementById(id);

/* make('td', {class: 'n'}, 'text', child, …) */
function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const name in attributes || {}) node.setAttribute(name, attributes[name]);
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
}

function draw(tag, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const name in attributes || {}) node.setAttribute(name, attributes[name]);
  node.append(...children);
  return node;
}

/* Only where it differs, so that a screen reader is told of changes alone and a selection stays. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const whole = new Intl.NumberFormat('en', {maximumFractionDigits: 0});
const fine = new Intl.NumberFormat('en', {maximumFractionDigits: 1});
const finer = new Intl.NumberFormat('en', {maximumFractionDigits: 2});
const count = number => number === null || number === undefined ? '–' : whole.format(number);
const rate = number => (number >= 100 ? whole : number >= 10 ? fine : finer).format(number);
const runs = number => count(number) + (number === 1 ? ' run' : ' runs');

function bytes(number) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let unit = 0;
  for (; number >= 1000 && unit < units.length - 1; unit++) number /= 1000;
  return (unit === 0 || number >= 100 ? whole : fine).format(number) + ' ' + units[unit];
}

function span(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 10) return fine.format(s) + ' s';
  if (s < 60) return whole.format(Math.floor(s)) + ' s';
  const parts = [[86400, 'd'], [3600, 'h'], [60, 'm'], [1, 's']];
  const first = parts.findIndex(([size]) => s >= size);
  const [size, unit] = parts[first];
  const [below, name] = parts[first + 1];
  const rest = Math.floor(s % size / below);
  return Math.floor(s / size) + ' ' + unit + (rest > 0 ? ' ' + rest + ' ' + name : '');
}

const clock = ms => new Date(ms).toLocaleTimeString('en-GB');

/* Rows that stay the same nodes as long as they tell of the same thing: focus and pointer stay where they are. make_row(item)
 * returns a node with `renew(item)`, which must ask nothing else of the answer that the row was made for. */
function keep_rows(body, items, key, make_row) {
  const known = body.known || new Map();
  const next = new Map();
  let at = body.firstChild;
  items.forEach((item, index) => {
    const name = key(item, index);
    const row = known.get(name) || make_row(item);
    next.set(name, row);
    row.renew(item);
    if (row === at) at = at.nextSibling;
    else body.insertBefore(row, at);
  });
  for (const [name, row] of known) if (next.get(name) !== row) row.remove();
  body.known = next;
}

/* A row of cells; `cells` are [class, name for narrow screens, fill(td, item)]; the first is its header. */
function make_row(cells) {
  const row = make('tr', {role: 'row'});
  const nodes = cells.map(([type, name], index) => {
    const node = index === 0 ? make('th', {scope: 'row', role: 'rowheader'}) : make('td', {role: 'cell'});
    if (type) node.className = type;
    if (name) node.dataset.name = name;
    row.append(node);
    return node;
  });
  row.renew = item => cells.forEach(([, , fill], index) => fill(nodes[index], item));
  return row;
}

/* Tables become blocks on narrow screens, which must not take their meaning away. */
function keep_meaning() {
  for (const table of document.querySelectorAll('table')) {
    table.setAttribute('role', 'table');
    table.querySelectorAll('thead, tbody').forEach(part => part.setAttribute('role', 'rowgroup'));
    table.querySelectorAll('thead tr').forEach(row => row.setAttribute('role', 'row'));
    table.querySelectorAll('thead th').forEach(cell => cell.setAttribute('role', 'columnheader'));
  }
}

/* ---- asking the worker ---- */

const TIME_OUT_MS = 12000;
const token = {
  read: () => sessionStorage.getItem('rxp-admin-token') || '',
  keep: text => sessionStorage.setItem('rxp-admin-token', text),
  drop: () => sessionStorage.removeItem('rxp-admin-token'),
};

/* {code, body}; code 0: no answer. body.error is a sentence where it is not what was asked for. */
async function ask(method, path) {
  const headers = {};
  if (token.read()) headers.Authorization = 'Bearer ' + token.read();
  try {
    const answer = await fetch(path, {
      method, headers, cache: 'no-store', credentials: 'omit', redirect: 'error', signal: AbortSignal.timeout(TIME_OUT_MS),
    });
    const text = await answer.text();
    try {
      return {code: answer.status, body: JSON.parse(text)};
    } catch {
      return {code: answer.status, body: {error: 'the answer is not one of an rxp-worker: ' + text.slice(0, 200)}};
    }
  } catch {
    return {code: 0, body: {}};
  }
}

/* A header takes no more than these. */
const can_be_token = text => /^[\x21-\x7e]+$/.test(text);
