// A single-page application as people write it with oidc-client-ts. Its state is one word
// for the test to wait for; user is what it holds.
let user;

const manager = new oidc.UserManager({
  ...settings,
  redirect_uri: location.origin + "/spa/",
  post_logout_redirect_uri: location.origin + "/spa/",
  scope: "openid profile email groups offline_access project:read",
  loadUserInfo: true,
  automaticSilentRenew: false, // the test renews when it wants
});

function is(state) {
  document.getElementById("state").textContent = state;
}

function on(id, act, done) {
  document.getElementById(id).addEventListener("click", () => attempt(act, done));
}

async function attempt(act, done) {
  is("Busy");
  try {
    await act();
    if (done) {
      is(done);
    }
  } catch (e) {
    is("Failed: " + e);
  }
}

async function start() {
  const query = new URLSearchParams(location.search);
  if (query.has("code") || query.has("error")) {
    user = await manager.signinCallback();
    history.replaceState({}, "", location.pathname);
    is("Signed in");
  } else if (query.has("state")) {
    await manager.signoutCallback();
    history.replaceState({}, "", location.pathname);
    is("Signed out");
  } else {
    user = await manager.getUser();
    is(user ? "Signed in" : "Signed out");
  }
}

on("sign-in", () => manager.signinRedirect());
on("pop-up", async () => { user = await manager.signinPopup(); }, "Signed in");
on("renew", async () => { user = await manager.signinSilent(); }, "Renewed");
on("sign-out", () => manager.signoutRedirect());
attempt(start);
