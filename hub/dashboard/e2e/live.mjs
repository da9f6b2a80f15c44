// Publishes to a real agent and watches the page of a real hub.
//
// BASE_URL          a running hub's address; without it a hub and an agent are started for the run
// MQTT_PORT         its agent's MQTT listener             (default 1883)
// PENSTOCK_BIN_DIR  the programs to start                 (default target/debug)
// SHOTS             a folder for screenshots              (none by default)
// CHROMIUM          the browser                           (default /usr/bin/chromium)
//
// Prints one line a claim and exits 1 when one does not hold.

import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { startWorld } from './world.mjs';

const world = process.env.BASE_URL
  ? {
      base: process.env.BASE_URL.replace(/\/$/, ''),
      mqttPort: process.env.MQTT_PORT ?? '1883',
      end: async () => undefined,
    }
  : await startWorld();
const { base, mqttPort } = world;
const shots = process.env.SHOTS;
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** A chart must move within this time of a publish. */
const MOVE_MS = 1_000;
/** The first reading of a type may wait for the next look at the list of types. */
const APPEAR_MS = 10_000;
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

let failures = 0;
function claim(holds, sentence, detail = '') {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${sentence}${detail ? ` (${detail})` : ''}`);
  if (!holds) failures += 1;
}

function publish(value, topic = 'demo/press9/e2e') {
  return new Promise((resolve, reject) => {
    const child = spawn(
      'mosquitto_pub',
      ['-h', '127.0.0.1', '-p', mqttPort, '-q', '1', '-t', topic, '-m', String(value)],
      { stdio: 'inherit' },
    );
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`mosquitto_pub ended with ${code}`))));
  });
}

async function shoot(page, name, fullPage = false) {
  if (!shots) return;
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage });
}

/** Collects what the page complains about, and requests that leave the hub. */
async function watched(context) {
  const complaints = [];
  const page = await context.newPage();
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) =>
      console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== 'data:' && host !== new URL(base).host) complaints.push(`request to elsewhere: ${request.url()}`);
  });
  return { page, complaints };
}

async function seriousViolations(page) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .slice(0, 3)
          .map(({ target }) => target.join(' '))
          .join(', ')}`,
    );
}

async function sidewaysScroll(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

const figuresOf = (card) =>
  card.evaluate((element) => ({
    average: Number(element.dataset.average),
    count: Number(element.dataset.count),
    buckets: Number(element.dataset.buckets),
  }));

/** Waits until the card's average is another one; `took` counts from `began` and is null when it stays. */
async function waitForMove(card, before, limit, began = Date.now()) {
  while (Date.now() - began < limit) {
    const now = await figuresOf(card);
    if (now.average !== before.average) return { now, took: Date.now() - began };
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return { now: await figuresOf(card), took: null };
}

async function theChartMoves(page) {
  const card = page.getByTestId('type-card-e2e');
  await publish(20);
  await card.waitFor({ timeout: APPEAR_MS });
  await card.scrollIntoViewIfNeeded();
  claim(true, 'a card appears for a type that was never seen before');
  await page.waitForFunction(
    () => Number(document.querySelector('[data-testid="type-card-e2e"]')?.dataset.count) > 0,
    null,
    { timeout: APPEAR_MS },
  );

  const before = await figuresOf(card);
  const value = Math.round(before.average + 10 + Math.random() * 10);
  const began = Date.now();
  await publish(value);
  const { now, took } = await waitForMove(card, before, MOVE_MS, began);
  claim(
    took !== null,
    'a published value moves the chart within a second',
    took === null ? `still ${now.average}` : `${took} ms, ${before.average} → ${now.average}`,
  );

  const openedNewBucket = now.buckets > before.buckets;
  const expected = (before.average * before.count + value) / (before.count + 1);
  claim(
    openedNewBucket || Math.abs(now.average - expected) < 1e-6 * Math.abs(expected),
    'the card shows the true average',
    `${now.average} for ${expected}`,
  );
  return card;
}

async function pausingHolds(page, card) {
  const pause = page.getByTestId('pause');
  await pause.click();
  const before = await figuresOf(card);
  await publish(before.average + 50);
  await page.waitForFunction(
    () => /[1-9]\d* updates? held/.test(document.querySelector('[data-testid="age-chip"]')?.textContent ?? ''),
    null,
    { timeout: 5_000 },
  );
  claim((await figuresOf(card)).average === before.average, 'a paused page holds still and counts what it holds');
  await pause.click();
  const { took } = await waitForMove(card, before, MOVE_MS);
  claim(took !== null, 'a resumed page shows what was held');
}

async function drillingDown(page) {
  await page.getByTestId('type-card-e2e').getByRole('link', { name: 'e2e' }).click();
  const source = page.locator('[data-testid^="source-row-"]').first();
  await source.waitFor({ timeout: APPEAR_MS });
  await page.getByTestId('chart').waitFor();
  await source.getByRole('link').click();
  await page
    .getByRole('region', { name: /^Readings of/ })
    .locator('tbody tr td.n')
    .first()
    .waitFor({ timeout: APPEAR_MS });
  claim(true, 'two clicks lead from a type to the raw readings of a source');
  await shoot(page, 'explore-source');
}

async function theFleetIsListed(page) {
  await page.goto(`${base}/fleet`);
  await page.locator('[data-testid^="fleet-row-"]').first().waitFor({ timeout: APPEAR_MS });
  claim(true, 'the fleet page lists the gateway');
  await shoot(page, 'fleet');
}

async function nothingSerious(page, where) {
  const violations = await seriousViolations(page);
  claim(violations.length === 0, `axe finds nothing serious on ${where}`, violations.join('; '));
}

async function desktop(browser) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 1240 }, colorScheme: 'dark' });
  const { page, complaints } = await watched(context);
  await page.goto(base);
  await page.getByTestId('strip').waitFor({ timeout: APPEAR_MS });
  const isFirst = await page
    .getByTestId('empty-state')
    .isVisible()
    .catch(() => false);
  if (isFirst) {
    const line = await page.getByTestId('empty-state').locator('code').innerText();
    claim(/^mosquitto_pub -h \S+ -p \d+ /.test(line), 'an empty page says how to send the first reading', line);
    await nothingSerious(page, 'the empty page');
    await shoot(page, 'empty');
  }

  const card = await theChartMoves(page);
  await pausingHolds(page, card);
  await shoot(page, 'overview-dark', true);
  await nothingSerious(page, 'the dark overview');
  await page.getByRole('button', { name: 'Switch to light colours' }).click();
  await shoot(page, 'overview-light', true);
  await nothingSerious(page, 'the light overview');
  await drillingDown(page);
  await nothingSerious(page, 'a source');
  await theFleetIsListed(page);
  await nothingSerious(page, 'the fleet');
  claim(complaints.length === 0, 'the console stays clean and every request goes to the hub', complaints.join('; '));
  await context.close();
}

async function phone(browser) {
  const context = await browser.newContext({
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
    deviceScaleFactor: 2,
  });
  const { page, complaints } = await watched(context);
  for (const path of ['/', '/explore', '/explore?type=e2e', '/fleet']) {
    await page.goto(base + path);
    await page.getByTestId('age-chip').waitFor();
    await page.waitForTimeout(1_000);
    const excess = await sidewaysScroll(page);
    claim(excess <= 0, `no sideways scroll at 390 px on ${path}`, excess > 0 ? `${excess} px too wide` : '');
    await shoot(page, `phone${path === '/' ? '-overview' : path.replace(/\W+/g, '-')}`, true);
  }
  claim(complaints.length === 0, 'the console stays clean on a phone', complaints.join('; '));
  await context.close();
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGUMENTS });
try {
  await desktop(browser);
  await phone(browser);
} catch (error) {
  claim(false, 'the run comes to its end', error instanceof Error ? error.message : String(error));
} finally {
  await browser.close();
  await world.end();
}
process.exit(failures === 0 ? 0 : 1);
