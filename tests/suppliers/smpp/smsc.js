// An SMSC on node-smpp, told what to do by lines of JSON on standard input, telling what happens by lines on standard output.
// Octets travel as hex. Argument: {"password", "key", "cert"} as JSON; it listens on a port of 127.0.0.1 of its own choice.
'use strict';
const fs = require('fs');
const smpp = require('smpp');

const given = JSON.parse(process.argv[2] || '{}');
const state = { refuse: 0, silent: false, mute: false, sessions: [], waiting: [], window: 10, refused: {}, sentAt: {}, times: [] };

function tell(event) {
  fs.writeSync(1, JSON.stringify(event) + '\n');
}

// Fields whose names end in _hex become Buffers, which node-smpp writes as they are.
function fields(pdu) {
  const found = {};
  for (const [name, value] of Object.entries(pdu)) {
    if (name.endsWith('_hex')) found[name.slice(0, -4)] = Buffer.from(value, 'hex');
    else found[name] = value;
  }
  return found;
}

function command(pdu) {
  return pdu.command || 'deliver_sm';
}

// A queue that keeps what was not acknowledged, as real SMSCs do, and gives it again after a pause or to the next bind.
function pump() {
  if (state.hold) return;
  for (const session of state.sessions.filter((one) => one.bound)) {
    while (session.open.size < state.window && state.waiting.length) {
      const one = state.waiting.shift();
      session.open.add(one);
      one.sent = (one.sent || 0) + 1;
      one.at = process.hrtime.bigint();
      const { command: _, id: __, ...pdu } = one.pdu;
      session[command(one.pdu)](fields(pdu), (answer) => {
        if (state.deaf || !session.open.delete(one)) return;
        if (answer.command_status === 0) {
          state.times.push(Number(process.hrtime.bigint() - one.at) / 1e6);
          if (given.telling !== false) tell({ event: 'acknowledged', id: one.pdu.id, session: session.number, sent: one.sent });
          if (!state.waiting.length && state.sessions.every((other) => !other.open.size)) tell(drained());
        } else {
          state.refused[answer.command_status] = (state.refused[answer.command_status] || 0) + 1;
          tell({ event: 'refused', id: one.pdu.id, status: answer.command_status });
          setTimeout(() => { state.waiting.push(one); pump(); }, state.again || 100);
        }
        pump();
      });
    }
  }
}

function drained() {
  const times = state.times.slice().sort((a, b) => a - b);
  return {
    event: 'drained', count: times.length, seconds: (Date.now() - state.began) / 1000,
    p50: times[Math.floor(times.length / 2)], p99: times[Math.floor(times.length * 0.99)],
  };
}

function serve(session) {
  session.number = state.sessions.push(session) - 1;
  session.open = new Set();
  session.on('error', () => {});
  session.on('close', () => {
    session.bound = false;
    state.waiting.unshift(...session.open);
    session.open.clear();
    tell({ event: 'closed', session: session.number });
    pump();
  });
  for (const mode of ['transceiver', 'receiver']) {
    session.on('bind_' + mode, (pdu) => {
      const status = state.refuse || (given.password && pdu.password !== given.password ? 0x0e : 0);
      session.send(pdu.response({ command_status: status, system_id: 'smsc' }));
      tell({ event: 'bind', session: session.number, mode, status, system_id: pdu.system_id, system_type: pdu.system_type, version: pdu.interface_version });
      session.bound = status === 0;
      pump();
    });
  }
  session.on('enquire_link', (pdu) => {
    tell({ event: 'enquired', session: session.number });
    if (!state.silent) session.send(pdu.response());
  });
  session.on('unbind', (pdu) => {
    tell({ event: 'unbind', session: session.number });
    session.bound = false;
    if (state.mute) return;
    session.send(pdu.response(), () => {}, () => session.close());
  });
  session.on('generic_nack', (pdu) => tell({ event: 'nack', session: session.number, status: pdu.command_status, sequence: pdu.sequence_number }));
  for (const name of ['enquire_link_resp', 'unbind_resp', 'deliver_sm_resp', 'data_sm_resp']) {
    session.on(name, (pdu) => {
      if (pdu.sequence_number > 0x70000000 || name === 'enquire_link_resp' || name === 'unbind_resp') {
        tell({ event: name, session: session.number, status: pdu.command_status, sequence: pdu.sequence_number });
      }
    });
  }
}

const doing = {
  queue(one) {
    state.window = one.window || state.window;
    state.again = one.again;
    state.began = Date.now();
    state.times = [];
    for (const pdu of one.messages) state.waiting.push({ pdu });
    pump();
  },
  raw: (one) => state.sessions[one.session].socket.write(Buffer.from(one.hex, 'hex')),
  close: (one) => state.sessions[one.session].destroy(),
  enquire: (one) => state.sessions[one.session].enquire_link(),
  unbind: (one) => state.sessions[one.session].unbind(),
  silent: (one) => { state.silent = one.on; },
  deaf: (one) => { state.deaf = one.on; },
  hold: (one) => { state.hold = one.on; pump(); },
  mute: (one) => { state.mute = one.on; },
  refuse: (one) => { state.refuse = one.status; },
};

const options = given.key ? { key: fs.readFileSync(given.key), cert: fs.readFileSync(given.cert) } : {};
const server = smpp.createServer(options, serve);
server.listen(0, '127.0.0.1', () => tell({ event: 'listening', port: server.address().port }));
require('readline').createInterface({ input: process.stdin })
  .on('line', (line) => { const one = JSON.parse(line); doing[one.do](one); })
  .on('close', () => process.exit(0));
