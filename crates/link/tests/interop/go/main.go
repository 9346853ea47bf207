// A server on Go's net/http, as interop/main.rs describes. Arguments: certificate and key, both PEM files.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
)

func answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		log.Printf("body: %v", err)
		return
	}
	seen := []string{r.URL.Path}
	for _, name := range []string{"apns-topic", "apns-expiration", "apns-id", "authorization"} {
		value := r.Header.Get(name)
		if value == "" {
			value = "-"
		}
		seen = append(seen, value)
	}
	all := append([]byte(strings.Join(seen, " ")+"\n"), body...)
	switch strings.Split(r.URL.Path, "/")[1] {
	case "missing":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		all = []byte(`{"reason":"BadDeviceToken"}`)
	case "trailers":
		w.Header().Set("Trailer", "X-Bytes")
		defer w.Header().Set("X-Bytes", strconv.Itoa(len(all)))
	case "early":
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
	case "goaway":
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("X-Path", r.URL.Path)
	w.Write(all)
}

func listen(cert, key string, config *http.HTTP2Config) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(answer), HTTP2: config}
	go func() { log.Fatal(server.ServeTLS(listener, cert, key)) }()
	return listener.Addr().(*net.TCPAddr).Port
}

func main() {
	cert, key := os.Args[1], os.Args[2]
	plain := listen(cert, key, nil)
	// No table at all cannot be asked for: 0 is the default.
	small := listen(cert, key, &http.HTTP2Config{
		MaxConcurrentStreams:      10,
		MaxDecoderHeaderTableSize: 64,
		MaxReceiveBufferPerStream: 1024,
	})
	fmt.Println("listening", plain, small)
	io.Copy(io.Discard, os.Stdin)
}
