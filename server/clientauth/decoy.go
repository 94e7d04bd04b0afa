package clientauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"sync"
)

// decoys are public keys, by algorithm, whose verification fails and takes as long as that
// of any other. They are made once.
var decoys = sync.OnceValue(func() map[string]crypto.PublicKey {
	n := make([]byte, 2048/8)
	_, _ = rand.Read(n) // never fails (crypto/rand)
	n[0] |= 0x80        // of full length,
	n[len(n)-1] |= 1    // and odd, as every modulus is; nobody knows its factors
	modulus := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
	all := map[string]crypto.PublicKey{"RS256": modulus, "PS256": modulus}
	for algorithm, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			panic(err) // never with crypto/rand
		}
		all[algorithm] = private.Public()
	}
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // never with crypto/rand
	}
	all["EdDSA"] = public
	return all
})
