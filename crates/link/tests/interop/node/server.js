// A server on Node's http2, as interop/main.rs describes. Arguments: certificate and key, both PEM files.
'use strict';

const fs = require('node:fs');
const http2 = require('node:http2');

const [cert, key] = process.argv.slice(2).map((path) => fs.readFileSync(path));

function answer(stream, headers, body) {
  const path = headers[':path'];
  const own = ['apns-topic', 'apns-expiration', 'apns-id', 'authorization'];
  const seen = [path, ...own.map((name) => headers[name] ?? '-')].join(' ') + '\n';
  const all = Buffer.concat([Buffer.from(seen), body]);
  if (path.startsWith('/missing/')) {
    stream.respond({ ':status': 404, 'content-type': 'application/json' });
    stream.end('{"reason":"BadDeviceToken"}');
  } else if (path.startsWith('/trailers/')) {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-bytes': String(all.length) }));
    stream.end(all);
  } else {
    if (path.startsWith('/early/')) {
      stream.additionalHeaders({ ':status': 103, link: '</style.css>; rel=preload' });
    }
    stream.respond({ ':status': 200, 'x-path': path, 'x-kind': 'echo' });
    stream.end(all);
    if (path.startsWith('/goaway/')) {
      stream.session.close();
    }
  }
}

function listen(settings, paddingStrategy) {
  const server = http2.createSecureServer({ cert, key, settings, paddingStrategy });
  server.on('stream', (stream, headers) => {
    const pieces = [];
    stream.on('error', () => {});
    stream.on('data', (piece) => pieces.push(piece));
    stream.on('end', () => answer(stream, headers, Buffer.concat(pieces)));
  });
  server.on('sessionError', (error) => console.error(`session: ${error}`));
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server.address().port));
  });
}

const { PADDING_STRATEGY_MAX, PADDING_STRATEGY_NONE } = http2.constants;
const small = { maxConcurrentStreams: 10, headerTableSize: 0, initialWindowSize: 1024 };
Promise.all([listen({}, PADDING_STRATEGY_NONE), listen(small, PADDING_STRATEGY_MAX)]).then(
  (ports) => console.log('listening', ...ports),
);
process.stdin.on('end', () => process.exit(0)).resume();
