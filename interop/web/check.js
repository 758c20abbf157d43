// Opens the page in Chromium, does what its users do, and checks what they would stumble over.
//
//   node web/check.js PAGE-FOLDER PLAN.json OUT-FOLDER [SCREENSHOT-FOLDER]
//
// PLAN.json: {checkpoint, labels, images: [files], photo, hostile: [files],
// conversions: [{name, format, type, size, labels, images, report, flags}]}.
// What each conversion offers for download is saved under OUT-FOLDER/NAME, and OUT-FOLDER/said.json
// holds what the page said of photos and of hostile files. Prints a line for each fault; exit
// status 1 where there are any.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');
const { chromium } = require('playwright-core');
const { faults, options } = require('../report/check.js');

const types = { '.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript', '.gz': 'application/gzip' };

function serve(folder, requests) {
  return new Promise((resolve) => {
    const server = http.createServer((req, res) => {
      requests.push(req.url);
      const file = path.join(folder, req.url === '/' ? 'index.html' : path.normalize(req.url));
      if (!fs.existsSync(file)) { res.writeHead(404).end(); return; }
      res.writeHead(200, { 'Content-Type': types[path.extname(file)] });
      fs.createReadStream(file).pipe(res);
    }).listen(0, '127.0.0.1', () => resolve(server));
  });
}

async function main() {
  const [folder, planFile, out, shots] = process.argv.slice(2);
  if (!out) { console.error('usage: node check.js PAGE-FOLDER PLAN.json OUT-FOLDER [SCREENSHOT-FOLDER]'); process.exit(2); }
  const plan = JSON.parse(fs.readFileSync(planFile));
  const all = [], said = { hostile: {} };
  const requests = [];
  const server = await serve(folder, requests);
  const url = `http://127.0.0.1:${server.address().port}/`;
  const browser = await chromium.launch(options);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: 'light', acceptDownloads: true });
  const page = await context.newPage();
  page.setDefaultTimeout(120000);
  const expected = /index\.html.*Content Security Policy/; // what is tried below
  page.on('console', (m) => { if (!expected.test(m.text())) all.push(`console: ${m.text()}`); });
  page.on('filechooser', () => {}); // takes them from now on, and not while a key is on its way
  page.on('pageerror', (e) => all.push(`error: ${e.message}`));
  context.on('request', (r) => { if (!/^(blob|data):/.test(r.url()) && !r.url().startsWith(url)) all.push(`request: ${r.url().slice(0, 100)}`); });

  const idle = () => page.waitForFunction(() => document.getElementById('work').hidden);
  const clean = async (where) => { for (const f of new Set(await page.evaluate(faults))) all.push(`${where}: ${f}`); };
  const choose = async (id, files) => { await page.setInputFiles(id, files); await idle(); };
  const visibleText = (id) => page.evaluate((i) => { const e = document.querySelector(i); return e.hidden ? '' : e.textContent; }, id);
  const save = async (link, into) => {
    const [d] = await Promise.all([page.waitForEvent('download'), link.click()]);
    await d.saveAs(path.join(into, d.suggestedFilename()));
  };

  // Loading.
  let started = Date.now();
  await page.goto(url);
  await page.waitForFunction(() => !document.getElementById('choose').disabled);
  said.loadSeconds = (Date.now() - started) / 1000;
  const loaded = requests.length;
  if (loaded > 6) all.push(`${loaded} requests to load the page: ${requests}`);
  const reached = await page.evaluate(() => fetch('index.html').then(() => true, () => false));
  const broken = await page.evaluate(() => complaint({ status: 2, stderr: 'runtime: out of memory: cannot allocate 4194304-byte block\nfatal error: out of memory\n\ngoroutine 1 [running]:\n' }));
  if (!/^The program ended unexpectedly .*out of memory.*4 GB/.test(broken) || broken.includes('goroutine')) all.push(`a program that ran out of memory: ${broken}`);
  if (reached) all.push('a request is possible after loading');
  if (shots) await page.screenshot({ path: path.join(shots, 'empty.png'), fullPage: true });

  // What hostile files cost.
  for (const file of plan.hostile ?? []) {
    await choose('#checkpoint', file);
    said.hostile[path.basename(file)] = { error: await visibleText('#source-error'), found: await visibleText('#found') };
  }

  // Conversions, and what they give.
  await choose('#checkpoint', plan.checkpoint);
  said.found = await visibleText('#found');
  said.conversions = {};
  for (const c of plan.conversions) {
    await page.check(`input[name=format][value=${c.format}]`, { force: true });
    await page.check(`input[name=type][value=${c.type}]`, { force: true });
    if (c.type === 'int8') await page.setInputFiles('#images', c.images ? plan.images : []);
    await page.fill('#size', c.size || '');
    await page.fill('#flags', c.flags || '');
    if (c.format !== 'ncnn') await page.setInputFiles('#labels', c.labels ? [plan.labels] : []);
    await page.setChecked('#report', Boolean(c.report));
    started = Date.now();
    await page.click('#start');
    await page.waitForFunction(() => document.getElementById('work').hidden && !(document.getElementById('result').hidden && document.getElementById('target-error').hidden));
    said.conversions[c.name] = { seconds: (Date.now() - started) / 1000, error: await visibleText('#target-error'), said: await visibleText('#proof') };
    if (said.conversions[c.name].error) continue;
    for (const link of await page.locator('#proof a.download').all()) await save(link, path.join(out, c.name));
    if (!c.photo) continue;
    await choose('#photo', plan.photo);
    said.conversions[c.name].seen = await page.evaluate(() => [...document.querySelectorAll('#seen tr')].map((r) => r.firstChild.textContent));
    said.conversions[c.name].seenSaid = (await visibleText('#seen')) + (await visibleText('#try-error'));
    if (c.name !== plan.conversions[0].name) continue;
    for (const [width, colorScheme] of [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark']]) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await clean(`${width} ${colorScheme}`);
      if (shots) await page.screenshot({ path: path.join(shots, `done-${width}-${colorScheme}.png`), fullPage: true });
    }
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.emulateMedia({ colorScheme: 'light' });
  }

  if (plan.keyboard) {
    // Cancelling, which leaves the page as it was.
    await page.check('input[name=type][value=int8]', { force: true });
    await page.check('input[name=format][value=onnx]', { force: true });
    await page.fill('#size', '224');
    await page.click('#start');
    await page.waitForSelector('#work:not([hidden])');
    if (shots) await page.screenshot({ path: path.join(shots, 'working.png') });
    await page.keyboard.press('Enter'); // the focus is on the button
    await idle();
    if (!/Cancelled/.test(await visibleText('#target-error'))) all.push('cancelling is not said');

    // From the top to the file with the keyboard alone.
    await page.reload();
    await page.waitForFunction(() => !document.getElementById('choose').disabled);
    const afterReload = requests.length;
    const focused = () => page.evaluate(() => { const e = document.activeElement; return e.id || e.value || e.tagName; });
    const tabTo = async (what) => {
      for (let i = 0; i < 30; i++) {
        await page.keyboard.press('Tab');
        const at = await focused();
        const outline = await page.evaluate(() => { const e = document.activeElement; const s = getComputedStyle(e.type === 'radio' ? e.nextElementSibling : e); return s.outlineStyle; });
        if (at !== 'BODY' && outline === 'none') all.push(`the focus on ${at} is not seen`);
        if (at === what) return;
      }
      all.push(`the keyboard does not reach ${what}`);
    };
    await tabTo('checkpoint');
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.keyboard.press('Space')]);
    await chooser.setFiles(plan.checkpoint);
    await page.waitForSelector('#target:not([hidden])');
    await idle();
    await tabTo('onnx');
    await page.keyboard.press('ArrowRight');
    if (await focused() !== 'tflite') all.push(`arrows lead to ${await focused()}, want tflite`);
    await tabTo('size');
    await page.keyboard.type('64');
    await tabTo('start');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => !document.getElementById('work').hidden);
    await idle();
    if (await visibleText('#target-error')) all.push(`with the keyboard: ${await visibleText('#target-error')}`);
    if (await focused() !== 'result-title') all.push(`after a conversion the focus is on ${await focused()}`);
    await page.keyboard.press('Tab');
    const [d] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')]);
    if (!d.suggestedFilename().endsWith('.tflite')) all.push(`the keyboard downloads ${d.suggestedFilename()}`);

    // Files that are dropped: on the page a checkpoint, on the photo's place a photo.
    const drop = (selector, name, text) => page.evaluate(([s, n, t]) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([t], n));
      for (const kind of ['dragover', 'drop']) document.querySelector(s).dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
    }, [selector, name, text]);
    await drop('#try h2', 'photo.png', 'no photo');
    await idle();
    if (!/photo\.png/.test(await visibleText('#try-error'))) all.push(`a dropped photo: ${await visibleText('#try-error')}`);
    await drop('h1', 'no.pth', 'no checkpoint');
    await idle();
    if (!/no\.pth/.test(await visibleText('#source-error'))) all.push(`a dropped checkpoint: ${await visibleText('#source-error')}`);
    for (const d of await page.locator('details summary').all()) await d.click();
    await page.waitForFunction(() => [...document.querySelectorAll('details pre')].every((p) => p.textContent.length > 1000));
    await clean('details');
    said.requests = requests.slice(0, loaded);
    if (requests.length !== afterReload) all.push(`requests after loading: ${requests.slice(afterReload)}`);
  } else if (requests.length !== loaded) {
    all.push(`requests after loading: ${requests.slice(loaded)}`);
  }

  await browser.close();
  server.close();
  fs.writeFileSync(path.join(out, 'said.json'), JSON.stringify(said, null, 1));
  for (const line of new Set(all)) console.log(line);
  if (all.length) process.exit(1);
}

main().catch((e) => { console.error(e.stack); process.exit(1); });
