// Opens the server's page in Chromium, clicks on a photo, and checks what users would stumble over.
//
//   node web/click.js URL PHOTO OUT-FOLDER [SCREENSHOT-FOLDER]
//
// At 1280 and 390 pixels, in the light and the dark scheme: a point, one outside, a box, undo, clear, a
// file of the mask, the keyboard, a photo that the server has forgotten, a file that is no photo. The
// masks that the page offers for download are saved as OUT-FOLDER/WIDTH.NAME.png. Prints a line for
// each fault; exit status 1 where there are any.
'use strict';
const path = require('path');
const { chromium } = require('playwright-core');
const { faults, options } = require('../report/check.js');

async function main() {
  const [url, photo, out, shots] = process.argv.slice(2);
  if (!out) { console.error('usage: node click.js URL PHOTO OUT-FOLDER [SCREENSHOT-FOLDER]'); process.exit(2); }
  const all = [];
  const browser = await chromium.launch(options);
  for (const [width, colorScheme] of [[1280, 'light'], [390, 'dark']]) {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, hasTouch: width === 390, acceptDownloads: true });
    const page = await context.newPage();
    const fault = (text) => all.push(`${width}: ${text}`);
    const expected = /status of 40[04]|http:\/\/127\.0\.0\.1:1\//; // what is tried below
    page.setDefaultTimeout(60000);
    page.on('console', (m) => { if (!expected.test(m.text())) fault(`console: ${m.text()}`); });
    page.on('pageerror', (e) => fault(`error: ${e.message}`));
    context.on('request', (r) => { if (!/^(blob|data):/.test(r.url()) && !r.url().startsWith(url)) fault(`request: ${r.url().slice(0, 100)}`); });
    let uploads = 0;
    page.on('request', (r) => { if (r.method() === 'POST' && r.url() === `${url}/images`) uploads++; });
    const clean = async (where) => { for (const f of new Set(await page.evaluate(faults))) fault(`${where}: ${f}`); };
    const shot = async (name) => { if (shots) await page.screenshot({ path: path.join(shots, `click-${width}-${name}.png`), fullPage: true }); };
    const status = () => page.textContent('#status');
    // settled waits for the mask of what was asked for last: its pixels are said with a score.
    const settled = () => page.waitForFunction(() => /score|Click on|cross|At /.test(document.getElementById('status').textContent) || !document.getElementById('error').hidden);
    const save = async (name) => {
      const [d] = await Promise.all([page.waitForEvent('download'), page.click('#save')]);
      await d.saveAs(path.join(out, `${width}.${name}.png`));
    };
    // shown counts the pixels of the mask that is drawn.
    const shown = () => page.evaluate(() => { const c = document.getElementById('mask'); const copy = new OffscreenCanvas(c.width, c.height).getContext('2d', { willReadFrequently: true }); copy.drawImage(c, 0, 0); const d = copy.getImageData(0, 0, c.width, c.height).data; let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; });
    const pixels = async () => { const m = (await status()).match(/^([\d,]+) pixels/); return m ? Number(m[1].replace(/,/g, '')) : 0; };
    const at = async (x, y) => { // on the screen, of a pixel of the photo
      const r = await page.locator('#photo').boundingBox();
      const [w, h] = await page.evaluate(() => [document.getElementById('photo').naturalWidth, document.getElementById('photo').naturalHeight]);
      return [r.x + x * r.width / w, r.y + y * r.height / h];
    };
    const agrees = async (what) => { const [a, b] = [await shown(), await pixels()]; if (a !== b || a === 0) fault(`${what}: ${a} pixels are drawn, and ${b} said`); };

    await page.goto(url);
    await clean('empty');
    await shot('empty');
    if (!/default-src 'none'/.test((await page.request.get(url)).headers()['content-security-policy'])) fault('no policy');
    if (await page.evaluate(() => fetch('http://127.0.0.1:1/').then(() => true, (e) => !/fetch/.test(e.message)))) fault('a request elsewhere is possible');
    await page.setInputFiles('#file', photo);
    await page.waitForFunction(() => /Click on something/.test(document.getElementById('status').textContent));
    await clean('photo');

    // A point, and one that is outside: with Shift, and with the switch.
    await page.mouse.click(...await at(48, 67));
    await settled();
    await agrees('a point');
    await save('point');
    await clean('point');
    await shot('point');
    await page.click('#clear');
    await settled();
    if (await shown() !== 0 || await page.isVisible('#save')) fault('a mask stays after clearing');
    await page.mouse.click(...await at(103, 42));
    await settled();
    const first = await pixels();
    await page.keyboard.down('Shift');
    await page.mouse.click(...await at(151, 81));
    await page.keyboard.up('Shift');
    await page.waitForFunction(() => document.querySelectorAll('#marks .outside').length === 1);
    await settled();
    await agrees('a point outside');
    await save('outside');
    await shot('outside');
    await page.click('#undo');
    await settled();
    if (await pixels() !== first) fault(`undo leads to ${await pixels()} pixels, want ${first}`);
    await page.check('input[name=label][value="0"]');
    await page.mouse.click(...await at(151, 81));
    await settled();
    await save('switch');
    await page.check('input[name=label][value="1"]');
    await page.click('#clear');
    await settled();

    // A box.
    await page.mouse.move(...await at(107, 40));
    await page.mouse.down();
    await page.mouse.move(...await at(130, 60));
    await page.mouse.move(...await at(162, 93));
    await page.mouse.up();
    await settled();
    await agrees('a box');
    await save('box');
    await page.emulateMedia({ colorScheme: colorScheme === 'dark' ? 'light' : 'dark' });
    await clean('the other scheme');
    await shot('box');

    // The keyboard alone: a cross on the photo, a point, one outside, a box, undo.
    await page.keyboard.press('Escape');
    await page.focus('#stage');
    if (await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle) === 'none') fault('the focus on the photo is not seen');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Shift+ArrowUp');
    if (await page.locator('#marks .cross').count() !== 1) fault('no cross');
    await page.keyboard.press('Space');
    await settled();
    const alone = await pixels();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('n');
    await settled();
    await page.keyboard.press('Shift+ArrowLeft');
    await page.keyboard.press('b');
    await page.keyboard.press('Shift+ArrowRight');
    await page.keyboard.press('Shift+ArrowDown');
    await page.keyboard.press('b');
    await page.waitForFunction(() => /score/.test(document.getElementById('status').textContent));
    await agrees('the keyboard');
    if (JSON.stringify(await page.evaluate(() => Object.values(prompt()).map((v) => v.length))) !== '[2,4]') fault(`the keyboard asks ${JSON.stringify(await page.evaluate(() => prompt()))}`);
    await shot('keyboard');
    await page.keyboard.press('Control+z');
    await page.keyboard.press('Control+z');
    await page.waitForFunction(() => /score/.test(document.getElementById('status').textContent));
    if (await pixels() !== alone) fault(`undo with the keyboard leads to ${await pixels()} pixels, want ${alone}`);

    // The server has forgotten the photo: the page sends it again.
    const before = uploads;
    await page.evaluate(() => fetch(`images/${photo.id}`, { method: 'DELETE' }));
    await page.keyboard.press('Escape');
    await page.mouse.click(...await at(48, 67));
    await page.waitForFunction(() => /score/.test(document.getElementById('status').textContent));
    if (uploads !== before + 1) fault(`${uploads - before} uploads after the photo was forgotten, want 1`);
    await save('again');

    // What is no photo, dropped; and then one, dropped.
    const drop = (name, bytes) => page.evaluate(([n, b]) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([Uint8Array.from(b)], n));
      for (const kind of ['dragover', 'drop']) document.querySelector('h2').dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
    }, [name, bytes]);
    await drop('none.png', [1, 2, 3]);
    await page.waitForSelector('#error:not([hidden])');
    if (!/none\.png/.test(await page.textContent('#error'))) fault(`a dropped file: ${await page.textContent('#error')}`);
    await clean('error');
    await shot('error');
    await drop('photo.png', [...require('fs').readFileSync(photo)]);
    await page.waitForFunction(() => /Click on something/.test(document.getElementById('status').textContent));
    if (await page.isVisible('#error')) fault('an error stays');
    await context.close();
  }
  await browser.close();
  for (const line of new Set(all)) console.log(line);
  if (all.length) process.exit(1);
}

main().catch((e) => { console.error(e.stack); process.exit(1); });
