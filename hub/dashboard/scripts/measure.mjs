// Says what the built page weighs on the wire, and fails above the budget.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const BUDGET_BYTES = 150_000;
const dist = new URL('../dist/', import.meta.url).pathname;

const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
const sizes = files.map((entry) => gzipSync(readFileSync(join(entry.parentPath, entry.name)), { level: 9 }).length);
const total = sizes.reduce((sum, size) => sum + size, 0);

console.log(`${files.length} files, ${total} bytes gzipped of ${BUDGET_BYTES} allowed`);
if (total > BUDGET_BYTES) process.exit(1);
