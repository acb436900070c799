// Node's server, over the folder that it is told: prints its port, and serves until its input ends.

import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [folder, idle, limited, fields, value, huge] = process.argv.slice(2);
const kept = new Map();

function file(request, response, path) {
  let found;
  try {
    found = statSync(path);
  } catch {
    response.writeHead(404, { "Content-Length": 0 }).end();
    return;
  }
  const etag = `"${found.mtimeMs}-${found.size}"`;
  const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const head = { ETag: etag, "Accept-Ranges": "bytes", "Content-Length": found.size };
  let status = 200;
  let options = {};
  if (asked && (request.headers["if-range"] ?? etag) === etag) {
    const start = Number(asked[1]);
    const end = Math.min(asked[2] ? Number(asked[2]) : found.size - 1, found.size - 1);
    if (start >= found.size) {
      response.writeHead(416, { "Content-Range": `bytes */${found.size}`, "Content-Length": 0 });
      response.end();
      return;
    }
    status = 206;
    options = { start, end };
    head["Content-Range"] = `bytes ${start}-${end}/${found.size}`;
    head["Content-Length"] = end + 1 - start;
  }
  response.writeHead(status, head);
  if (request.method === "HEAD") {
    response.end();
  } else {
    createReadStream(path, options).pipe(response);
  }
}

function head(response, count) {
  for (let number = 0; number < count; number += 1) {
    response.setHeader(`X-Large-${number}`, "v".repeat(value));
  }
  response.end(readFileSync(join(folder, "large-head")));
}

function get(request, response) {
  const path = request.url.split("?")[0];
  if (kept.has(path)) {
    response.end(kept.get(path));
  } else if (path.startsWith("/chunked/")) {
    const content = readFileSync(join(folder, "file", "16777216"));
    response.flushHeaders();
    for (let left = Number(path.split("/")[2]), at = 0; left > 0; at += 10000, left -= 10000) {
      response.write(content.subarray(at, at + Math.min(left, 10000)));
    }
    response.end();
  } else if (path === "/text.txt" && /gzip/.test(request.headers["accept-encoding"] ?? "")) {
    response.setHeader("Content-Encoding", "gzip");
    response.end(gzipSync(readFileSync(join(folder, path))));
  } else if (path === "/large-head" || path === "/huge-head") {
    head(response, path === "/large-head" ? fields : huge);
  } else if (path === "/moved") {
    response.writeHead(302, { Location: "/file/1000", "Content-Length": 0 }).end();
  } else {
    file(request, response, join(folder, path));
  }
}

function take(request, response) {
  if (Number(request.headers["content-length"] ?? 0) > limited) {
    response.writeHead(413, { Connection: "close", "Content-Length": 0 }).end();
    return;
  }
  const pieces = [];
  let size = 0;
  request.on("data", (piece) => {
    pieces.push(piece);
    size += piece.length;
    if (size > limited && !response.headersSent) {
      request.pause();
      response.writeHead(413, { Connection: "close", "Content-Length": 0 }).end();
    }
  });
  request.on("end", () => {
    if (request.url === "/moved-post") {
      response.writeHead(307, { Location: "/echo", "Content-Length": 0 }).end();
    } else if (request.method === "PUT") {
      kept.set(request.url, Buffer.concat(pieces));
      response.writeHead(201).end();
    } else {
      response.end(Buffer.concat(pieces));
    }
  });
}

const server = createServer((request, response) => {
  const handle = request.method === "POST" || request.method === "PUT" ? take : get;
  handle(request, response);
});
server.keepAliveTimeout = idle * 1000;
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on("end", () => process.exit());
