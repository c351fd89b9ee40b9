// Keeps the page up to date: relative times, and the fragments that the server says have
// changed. Without it the page is whole, and as of the time that it shows.
"use strict";

const body = document.body;
const live = document.getElementById("live");
const liveWord = document.getElementById("live-word");
const liveTime = document.getElementById("live-time");

// The clock is the server's: that of this machine may be wrong.
let ahead = Date.parse(body.dataset.now) - Date.now();
const now = () => Date.now() + ahead;

function duration(ms) {
	const s = Math.floor(ms / 1000), min = Math.floor(s / 60), h = Math.floor(min / 60), days = Math.floor(h / 24);
	if (s < 60) return `${s} s`;
	if (min < 60) return `${min} min`;
	if (h < 48) return min % 60 ? `${h} h ${min % 60} min` : `${h} h`;
	return `${days} days`;
}

function ago(time) {
	const past = now() - time;
	if (past < -1000) return `in ${duration(-past)}`;
	return past < 1000 ? "now" : `${duration(past)} ago`;
}

// tell writes relative times under an element. Their title has the absolute one.
function tell(element) {
	for (const time of element.querySelectorAll("time.ago")) {
		const text = ago(Date.parse(time.dateTime));
		if (time.textContent !== text) time.textContent = text;
	}
}

// patch makes an element like another one, and touches only what differs. So the focus,
// the text in a box, what is open and what is selected stay.
function patch(old, fresh) {
	if (old.isEqualNode(fresh)) return old;
	if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
		old.replaceWith(fresh);
		return fresh;
	}
	if (old.nodeType !== Node.ELEMENT_NODE) {
		old.data = fresh.data;
		return old;
	}
	for (const { name } of [...old.attributes]) {
		if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
	}
	for (const { name, value } of fresh.attributes) {
		if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
	}
	const named = new Map();
	for (const child of old.children) if (child.id) named.set(child.id, child);
	let at = old.firstChild;
	for (const child of [...fresh.childNodes]) {
		const known = child.id && named.get(child.id);
		if (known) {
			if (known === at) at = at.nextSibling;
			else old.insertBefore(known, at);
			patch(known, child);
		} else if (at && !child.id && !at.id) {
			const place = at;
			at = at.nextSibling;
			patch(place, child);
		} else {
			if (child.id && child.id.startsWith("event/")) child.classList.add("new");
			old.insertBefore(child, at);
		}
	}
	while (at) {
		const next = at.nextSibling;
		at.remove();
		at = next;
	}
	return old;
}

function show(update) {
	ahead = Date.parse(update.now) - Date.now();
	if (document.title !== update.title) document.title = update.title;
	const icon = document.querySelector("link[rel=icon]");
	if (icon.getAttribute("href") !== update.icon) icon.href = update.icon;
	const focused = document.activeElement;
	for (const { id, html } of update.fragments || []) {
		const old = document.getElementById(id);
		if (!old) continue;
		const template = document.createElement("template");
		template.innerHTML = html;
		tell(template.content);
		patch(old, template.content.firstElementChild);
	}
	if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

function state(word, name, time) {
	live.className = `live ${name}`;
	if (liveWord.textContent !== word) liveWord.textContent = word;
	liveTime.dateTime = new Date(time).toISOString();
	liveTime.title = new Date(time).toISOString();
	liveTime.textContent = `${new Date(time).toISOString().slice(11, 19)} UTC`;
}

// lastHeard is when the server last said something, by its clock.
let lastHeard = now(), connected = false, stop = null;
let gone = false; // nothing is at the page's address any more

async function listen() {
	const control = new AbortController();
	stop = () => control.abort();
	const have = [...document.querySelectorAll("[data-hash]")].map((e) => e.dataset.hash).join(".");
	const query = new URLSearchParams({ page: body.dataset.page, have });
	const answer = await fetch(`/live?${query}`, { signal: control.signal, cache: "no-store" });
	gone = answer.status === 404;
	if (!answer.ok) throw new Error((await answer.text()).trim());
	connected = true;
	lastHeard = now();
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	for (let text = ""; ;) {
		const { value, done } = await reader.read();
		if (done) throw new Error("the server ended the stream");
		text += value;
		const events = text.split("\n\n");
		text = events.pop();
		for (const event of events) {
			if (event.startsWith("data: ")) show(JSON.parse(event.slice(6)));
			lastHeard = now();
		}
	}
}

let reason = "";

async function follow() {
	for (let wait = 1000; ; wait = Math.min(wait * 2, 30000)) {
		if (document.hidden) await new Promise((shown) => document.addEventListener("visibilitychange", shown, { once: true }));
		if (document.hidden) continue;
		try {
			await listen();
		} catch (err) {
			if (connected) wait = 1000;
			reason = err.message;
			connected = false;
		}
		if (document.hidden) continue;
		tick();
		if (gone) return;
		await new Promise((over) => setTimeout(over, wait));
	}
}

function tick() {
	tell(document);
	if (connected) state("live,", "on", now());
	else {
		state("not live since", "off", lastHeard);
		live.title = reason;
	}
}

tell(document);
if (!("still" in body.dataset)) {
	document.addEventListener("visibilitychange", () => {
		if (document.hidden && stop) stop();
	});
	addEventListener("pagehide", () => stop && stop());
	follow();
	setInterval(() => { if (!document.hidden && (connected || reason)) tick(); else tell(document); }, 1000);
}
