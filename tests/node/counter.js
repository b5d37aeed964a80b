// The plainest stateful application: it counts a user's visits in a session that only this process knows.
const express = require("express");
const session = require("express-session");

const app = express();
app.use(session({ secret: "only for tests", resave: false, saveUninitialized: true }));
app.get("/", (request, response) => {
  request.session.visits = (request.session.visits ?? 0) + 1;
  response.send(String(request.session.visits));
});
const server = app.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${server.address().port}`));
