// Embeds with llama.cpp: node llama.mjs MODEL THREADS. Each line of standard
// input is a request, each line of standard output its reply:
//   {"time": [TEXT...], "passes": N}  ->  {"wall_ms": [...], "cpu_ms": [...]}
//   {"vectors": [TEXT or IDS...]}     ->  {"vectors": [[...]...]}
// The first line of output tells how loading went.
import readline from "node:readline";
import {getLlama} from "node-llama-cpp";

const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const megabytes = () => process.memoryUsage.rss() / 2 ** 20;

const llama = await getLlama(
  {build: "never", gpu: false, skipDownload: true, logLevel: "error"});
const empty = megabytes();
const from = process.hrtime.bigint();
const model = await llama.loadModel({modelPath: process.argv[2]});
const context = await model.createEmbeddingContext(
  {contextSize: Math.min(512, model.trainContextSize), batchSize: 512,
   threads: Number(process.argv[3])});
say({load_ms: Number(process.hrtime.bigint() - from) / 1e6,
     rss_before_mb: empty, rss_idle_mb: megabytes()});

for await (const line of readline.createInterface({input: process.stdin})) {
  try {
    const request = JSON.parse(line);
    if (request.vectors) {
      const vectors = [];
      for (const input of request.vectors) {
        vectors.push((await context.getEmbeddingFor(input)).vector);
      }
      say({vectors});
      continue;
    }
    const wall = [];
    const cpu = [];
    for (let pass = 0; pass <= request.passes; ++pass) {
      for (const text of request.time) {
        const used = process.cpuUsage();
        const begin = process.hrtime.bigint();
        await context.getEmbeddingFor(text);
        const ms = Number(process.hrtime.bigint() - begin) / 1e6;
        const now = process.cpuUsage(used);
        if (pass === 0) continue;  // For warmth.
        wall.push(ms);
        cpu.push((now.user + now.system) / 1e3);
      }
    }
    say({wall_ms: wall, cpu_ms: cpu, rss_busy_mb: megabytes()});
  } catch (error) {
    say({error: String(error)});
  }
}
process.exit(0);
