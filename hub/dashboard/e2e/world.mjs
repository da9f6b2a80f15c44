// A hub with a MongoDB of its own and an agent with its MQTT listener, on free ports, in a folder that goes away.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const programs = process.env.PENSTOCK_BIN_DIR ?? fileURLToPath(new URL('../../../target/debug/', import.meta.url));
/** A first start makes a database. */
const READY_MS = 120_000;
const STOP_MS = 30_000;

/** Starts a program and waits for the line on its standard output that begins with `ready`; gives the rest of it. */
function start(name, directory, config, ready) {
  const file = join(directory, `${name}.toml`);
  writeFileSync(file, config);
  const child = spawn(join(programs, name), ['run', '--config', file], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = [];
  child.stderr.on('data', (data) => log.push(String(data)));
  const told = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${name} was not ready in time:\n${log.join('')}`)), READY_MS);
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith(ready)) return;
      clearTimeout(timer);
      resolve(line.slice(ready.length).trim());
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${name} ended with ${code}:\n${log.join('')}`)));
  });
  return { child, told };
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}

/** Starts both; `end` stops the agent, then the hub, and removes what they wrote. */
export async function startWorld() {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-e2e-'));
  const running = [];
  const end = async () => {
    for (const child of running.toReversed()) await stop(child);
    rmSync(directory, { recursive: true, force: true });
  };
  const begin = async (...parameters) => {
    const { child, told } = start(...parameters);
    running.push(child);
    return told;
  };
  try {
    const hubConfig = `[http]\nlisten = "127.0.0.1:0"\n[mongodb.managed]\ndata_dir = "${join(directory, 'mongo')}"\n`;
    const base = await begin('penstock-hub', directory, hubConfig, 'penstock-hub listening on ');
    const agentConfig = `[agent]\nid = "gw-e2e"\n[hub]\nurl = "${base}"\n[buffer]\ndir = "${join(directory, 'agent')}"\n[mqtt_listener]\nenabled = true\nlisten = "127.0.0.1:0"\n`;
    const listener = await begin('penstock-agent', directory, agentConfig, 'penstock-agent mqtt listener on ');
    return { base, mqttPort: listener.slice(listener.lastIndexOf(':') + 1), end };
  } catch (error) {
    await end();
    throw error;
  }
}
