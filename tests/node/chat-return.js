// `node chat-return.js URL COUNT NODE`: so many Socket.IO clients on WebSockets, each with a jar and with the reconnection that the library
// does by itself. Prints `there` and how many are on each node; once those of NODE have lost their socket and have been answered again,
// why it was closed and where they are then. A line of JSON each.
const { io } = require("socket.io-client");

const [url, count, leaves] = [process.argv[2], Number(process.argv[3]), process.argv[4]];
const say = (what, more) => console.log(JSON.stringify({ what, ...more }));

async function client() {
  const socket = io(url, { forceNew: true, withCredentials: true, transports: ["websocket"], reconnectionDelay: 50, reconnectionDelayMax: 500 });
  const who = () => new Promise((told) => socket.emit("who", told));
  const is = (event) => new Promise((done) => socket.once(event, (...more) => done(more)));
  await is("connect");
  const first = await who();
  const back = is("disconnect").then(async ([why, details]) => {
    await is("connect");
    return { why, code: details?.context?.code ?? details?.code ?? null, node: await who() };
  });
  return { first, back };
}

const tally = (list) => list.reduce((sum, item) => ({ ...sum, [item]: (sum[item] ?? 0) + 1 }), {});

Promise.all(Array.from({ length: count }, client)).then(async (clients) => {
  say("there", { nodes: tally(clients.map((client) => client.first)) });
  const back = await Promise.all(clients.filter((client) => client.first === leaves).map((client) => client.back));
  say("back", { nodes: tally(back.map((one) => one.node)), why: tally(back.map((one) => one.why)), codes: tally(back.map((one) => one.code)) });
  process.exit(0);
});
