// `node kernel.mjs URL TOKEN`: JupyterLab's own client opens a kernel, and says what a variable is: once at first, and again whenever it
// has lost the kernel's socket and come back to it.
import { KernelManager, ServerConnection } from "@jupyterlab/services";
import WebSocket from "ws";

const [baseUrl, token] = process.argv.slice(2);
const serverSettings = ServerConnection.makeSettings({ baseUrl, wsUrl: baseUrl.replace("http", "ws"), token, WebSocket, appendToken: true });
const kernel = await new KernelManager({ serverSettings }).startNew({ name: "python3" });

async function run(code) {
  const execution = kernel.requestExecute({ code });
  let said = "";
  execution.onIOPub = ({ content }) => (said += content.text ?? "");
  await execution.done;
  return said.trim();
}

console.log("there", await run("x = 41\nprint(x)"));
kernel.connectionStatusChanged.connect(async (_, status) => status === "connected" && console.log("back", await run("print(x + 1)")));
