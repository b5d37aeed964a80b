// One node of a Socket.IO cluster: `node chat.js NAME` prints its address and answers "who" with its name.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const name = process.argv[2];
const server = createServer();
new Server(server).on("connection", (socket) => socket.on("who", (answer) => answer(name)));
server.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${server.address().port}`));
