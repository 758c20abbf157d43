// Opens reports in Chromium and checks what a reader would stumble over.
//
//   node check.js FILE.html [SCREENSHOT-FOLDER]
//
// At 1280 and 390 pixels, in the light and the dark scheme, with a font of usual and one of
// great width in the place of the system's, with details closed and open: no
// console message, no request leaves the file, nothing sticks out of the page or overlaps in
// a plot, text has the contrast that WCAG 2.2 AA asks for, and headings and pictures are
// labelled. Prints one line for each fault; exit status 1 where there are any. CHROMIUM names
// another browser than /usr/bin/chromium.
'use strict';
const path = require('path');
const { pathToFileURL } = require('url');
const { chromium } = require('playwright-core');

// faults runs in the page and returns descriptions.
function faults() {
  const found = [];
  const page = document.documentElement.clientWidth;
  const describe = (e) => `<${e.tagName.toLowerCase()}${e.className && e.className.baseVal === undefined ? ' class="' + e.className + '"' : ''}> ${JSON.stringify((e.textContent || '').trim().slice(0, 40))}`;
  if (document.documentElement.scrollWidth > page) found.push(`the page is ${document.documentElement.scrollWidth} pixels wide`);
  const visible = (e) => e.getClientRects().length > 0 && !e.closest('.hidden, .defs');
  for (const e of document.body.querySelectorAll('*')) {
    if (!visible(e)) continue;
    const r = e.getBoundingClientRect();
    const box = e.parentElement.closest('.scroll');
    if (!box && (r.right > page + 1 || r.left < -1)) found.push(`sticks out of the page: ${describe(e)}`);
  }
  for (const svg of document.querySelectorAll('svg.plot')) {
    if (!visible(svg)) continue;
    const frame = svg.getBoundingClientRect();
    const boxes = [...svg.querySelectorAll('text')].map((e) => [e, e.getBoundingClientRect()]);
    boxes.forEach(([e, a], i) => {
      if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1) found.push(`sticks out of its plot: ${describe(e)}`);
      for (const [o, b] of boxes.slice(i + 1)) {
        const w = Math.min(a.right, b.right) - Math.max(a.left, b.left), h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (w > 1 && h > 3) found.push(`overlaps in a plot: ${describe(e)} and ${describe(o)}`);
      }
    });
  }
  const colour = (s) => { const m = s.match(/[\d.]+/g).map(Number); return { r: m[0], g: m[1], b: m[2], a: m.length > 3 ? m[3] : 1 }; };
  const over = (f, b) => ({ r: f.r * f.a + b.r * (1 - f.a), g: f.g * f.a + b.g * (1 - f.a), b: f.b * f.a + b.b * (1 - f.a), a: 1 });
  const ground = (e) => {
    const layers = [];
    for (let n = e; n; n = n.parentElement) { const c = colour(getComputedStyle(n).backgroundColor); layers.push(c); if (c.a === 1) break; }
    return layers.reverse().reduce((b, f) => over(f, b), { r: 255, g: 255, b: 255, a: 1 });
  };
  const luminance = (c) => { const f = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }; return 0.2126 * f(c.r) + 0.7152 * f(c.g) + 0.0722 * f(c.b); };
  const poor = new Set();
  for (const e of document.body.querySelectorAll('*')) {
    if (!visible(e) || ![...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim())) continue;
    const s = getComputedStyle(e), g = ground(e);
    const c = over(colour(e.ownerSVGElement ? s.fill : s.color), g);
    if (s.opacity !== '1') { const o = Number(s.opacity); Object.assign(c, over({ ...c, a: o }, g)); }
    const [hi, lo] = [luminance(c), luminance(g)].sort((a, b) => b - a);
    const contrast = (hi + 0.05) / (lo + 0.05), size = parseFloat(s.fontSize);
    if (contrast < (size >= 24 || (size >= 18.66 && Number(s.fontWeight) >= 700) ? 3 : 4.5)) poor.add(`contrast ${contrast.toFixed(2)} of ${e.tagName.toLowerCase()}.${e.getAttribute('class') || ''} in ${e.parentElement.tagName.toLowerCase()}.${e.parentElement.getAttribute('class') || ''}`);
  }
  found.push(...poor);
  let level = 0;
  for (const h of document.querySelectorAll('h1, h2, h3, h4')) { const n = Number(h.tagName[1]); if (n > level + 1) found.push(`heading ${describe(h)} skips a level`); level = n; }
  if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
  for (const e of document.querySelectorAll('svg[role=img]')) if (!e.getAttribute('aria-label')) found.push('a picture without a label');
  for (const e of document.querySelectorAll('svg:not([role=img])')) if (e.getAttribute('aria-hidden') !== 'true') found.push('a picture that is neither labelled nor hidden');
  for (const e of document.querySelectorAll('img')) { if (!e.hasAttribute('alt')) found.push('an image without alt'); if (e.complete && !e.naturalWidth) found.push('an image that does not decode'); }
  if (!document.documentElement.lang || !document.title) found.push('no language or no title');
  return found;
}

// fonts stand for what machines have.
const fonts = ['Noto Sans', 'DejaVu Sans'];

// setFont runs in the page, replaces the system's fonts and says whether that one is there.
function setFont(family) {
  const style = document.createElement('style');
  style.textContent = `body { font-family: "${family}" } code, pre { font-family: "${family} Mono", "DejaVu Sans Mono" }`;
  document.head.append(style);
  const measure = document.createElement('canvas').getContext('2d');
  const width = (f) => { measure.font = `40px ${f}`; return measure.measureText('mmmWWWiiilll0123').width; };
  return width(`"${family}", monospace`) !== width('monospace') || width(`"${family}", serif`) !== width('serif');
}

const options = { executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'] };

async function main() {
  const [file, shots] = process.argv.slice(2);
  if (!file) { console.error('usage: node check.js FILE.html [SCREENSHOT-FOLDER]'); process.exit(2); }
  const url = pathToFileURL(path.resolve(file)).href;
  const browser = await chromium.launch(options);
  const all = [];
  const grounds = {};
  for (const [width, colorScheme, font] of [1280, 390].flatMap((w) => ['light', 'dark'].flatMap((c) => fonts.map((f) => [w, c, f])))) {
    const say = (what) => all.push(`${width} ${colorScheme}, ${font}: ${what}`);
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
    const page = await context.newPage();
    page.on('console', (m) => say(`console: ${m.text()}`));
    page.on('pageerror', (e) => say(`error: ${e.message}`));
    page.on('request', (r) => { if (r.url() !== url && !r.url().startsWith('data:image/')) say(`request: ${r.url().slice(0, 100)}`); });
    await page.goto(url);
    if (!await page.evaluate(setFont, font)) say('the font is not installed');
    for (const open of [false, true]) {
      await page.evaluate((o) => document.querySelectorAll('details').forEach((d) => { d.open = o; }), open);
      for (const f of new Set(await page.evaluate(faults))) say(f);
      if (shots && !open) await page.screenshot({ path: path.join(shots, `${path.basename(file, '.html')}-${width}-${colorScheme}-${font.split(' ')[0]}.png`), fullPage: true });
    }
    grounds[colorScheme] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await context.close();
  }
  await browser.close();
  if (grounds.light === grounds.dark) all.push('both schemes have the same background');
  for (const line of new Set(all)) console.log(line);
  if (all.length) process.exit(1);
  console.log(`${path.basename(file)}: no faults at 1280 and 390 pixels, light and dark, in ${fonts.join(' and ')}`);
}

module.exports = { faults, fonts, setFont, options };
if (require.main === module) main().catch((e) => { console.error(e.message); process.exit(1); });
