// `node chat-clients.js URL COUNT ADDRESSES`: so many Socket.IO clients, every second one with a cookie jar, each polling first
// and then upgrading. ADDRESSES: "own" gives each client a loopback address, "own-without-jar" only those without a jar, "one" none.
// Prints one line of JSON: what was reached, and every error.
const { Agent } = require("node:http");
const { io } = require("socket.io-client");

const [url, count, addresses] = [process.argv[2], Number(process.argv[3]), process.argv[4]];
const report = { connected: 0, upgraded: 0, answered: 0, nodes: {}, errors: [] };

function connect(number) {
  const jar = number % 2 === 0;
  const own = addresses === "own" || (addresses === "own-without-jar" && !jar);
  const options = { forceNew: true, reconnection: false, withCredentials: jar, query: { client: `c${number}` } };
  if (own) options.agent = new Agent({ localAddress: `127.0.3.${number + 1}` });
  return io(url, options);
}

function client(number) {
  const socket = connect(number);
  return new Promise((done) => {
    const end = (error) => {
      clearTimeout(limit);
      if (error) report.errors.push(`client ${number}: ${error}`);
      socket.off();
      socket.close();
      done();
    };
    const limit = setTimeout(() => end("not done within 30 s"), 30000);
    socket.on("connect_error", (error) => end(`${error.message} ${error.context?.responseText ?? error.description ?? ""}`));
    socket.on("disconnect", end);
    const ask = () => {
      report.upgraded += 1;
      socket.emit("who", (node) => {
        report.answered += 1;
        report.nodes[node] = (report.nodes[node] ?? 0) + 1;
        end();
      });
    };
    socket.on("connect", () => {
      report.connected += 1;
      // The upgrade may be over before the handshake of the namespace is.
      const { engine } = socket.io;
      if (engine.transport.name === "websocket") ask();
      else engine.once("upgrade", ask);
    });
  });
}

Promise.all(Array.from({ length: count }, (_, number) => client(number))).then(() => {
  console.log(JSON.stringify(report));
  process.exit(0);
});
